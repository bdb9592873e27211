//! The sessions in the documents are typed again, command by command, against a local Marathon and a local GitHub, and
//! must look the same. Only what is random differs: ports, commits and times stand for each other in their order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dploy_observer::local::tools;
use local_github::LocalGithub;
use local_marathon::LocalMarathon;
use serde_json::Value;

use crate::support::program::{DPLOY, OBSERVER, Running, alone, ended, nothing_runs_in, observer};
use crate::support::town::{listener, quick_pace};

const PAT: &str = "a-github-token-of-the-session";

/// A command, and what it printed.
struct Step {
    command: String,
    output: String,
}

fn read(document: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

/// The blocks of a language under the heading of a session, or of another.
fn blocks<'a>(document: &'a str, heading: &str, language: &str) -> Vec<&'a str> {
    let section = document.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let begin = format!("```{language}\n");
    let blocks = section.split(begin.as_str()).skip(1);
    blocks.map(|b| b.split("\n```").next().unwrap()).collect()
}

/// The commands of a document's session.
fn steps(document: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in blocks(document, "A session", "console")
        .iter()
        .flat_map(|b| b.lines())
    {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.to_owned(),
                output: String::new(),
            });
            continue;
        }
        let step = steps.last_mut().unwrap();
        step.output.push_str(line);
        step.output.push('\n');
    }
    steps
}

struct Place {
    home: PathBuf,
    cwd: PathBuf,
    /// Hosts as the documents write them, and as they are here.
    hosts: Vec<(&'static str, String)>,
}

impl Place {
    /// With a home of its own in `dir`.
    fn new(dir: &Path, hosts: Vec<(&'static str, String)>) -> Self {
        let home = dir.join("home");
        std::fs::create_dir_all(&home).unwrap();
        Self {
            home,
            cwd: dir.to_owned(),
            hosts,
        }
    }

    /// A text of this place as the documents write it.
    fn written(&self, text: &str) -> String {
        let as_written = |text: String, (shown, here): &(&str, String)| text.replace(here, shown);
        self.hosts.iter().fold(text.to_owned(), as_written)
    }

    /// Types every command of a session: what comes must be what is shown.
    async fn type_again(&mut self, steps: &[Step]) {
        let print = std::env::var_os("DPLOY_TRANSCRIPT").is_some();
        let (mut shown, mut seen) = (Names::default(), Names::default());
        for step in steps {
            let output = last_frames(&self.run(&step.command).await);
            if print {
                println!("$ {}\n{}", step.command, output.trim_end());
                continue;
            }
            let shown = shown.name(&timeless(&step.output));
            let seen = seen.name(&timeless(&output));
            assert_eq!(squeezed(&seen), squeezed(&shown), "$ {}", step.command);
        }
    }

    /// Runs a command as a shell does, and goes where it goes.
    async fn run(&mut self, command: &str) -> String {
        let here = |text: String, (shown, here): &(&str, String)| text.replace(shown, here);
        let command = self.hosts.iter().fold(command.to_owned(), here);
        let script = format!("exec 2>&1\n{command}\ncode=$?\npwd > \"$HOME/cwd\"\nexit $code");
        let bin = Path::new(DPLOY).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut shell = alone("sh", &self.cwd, &self.home);
        shell
            .args(["-c", &script])
            .env("PATH", path)
            .env("GIT_AUTHOR_NAME", "You")
            .env("GIT_AUTHOR_EMAIL", "you@example.com")
            .env("GIT_COMMITTER_NAME", "You")
            .env("GIT_COMMITTER_EMAIL", "you@example.com");
        let (code, text, _) = ended(shell.output(), &command).await;
        assert_eq!(code, 0, "{command}: {text}");
        let cwd = std::fs::read_to_string(self.home.join("cwd")).unwrap();
        self.cwd = PathBuf::from(cwd.trim());
        self.written(&text)
    }
}

/// What a line of progress is about: a terminal shows only the last one of each.
fn progress_key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let (first, second) = (words.next()?, words.next()?);
    let service = ["·", "✔", "✖", "…"].contains(&first) && second.starts_with('/');
    let deploy = first == "deploy" && second.starts_with('#') && !line.contains("http");
    (service || deploy).then(|| second.to_owned())
}

/// What stays on a terminal: each line of progress where it was first, as it was last.
fn last_frames(output: &str) -> String {
    let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (at, line) in output.lines().enumerate() {
        if let Some(key) = progress_key(line) {
            first.entry(key.clone()).or_insert(at);
            last.insert(key, line);
        }
    }
    let kept = output.lines().enumerate().filter_map(|(at, line)| {
        // whether it is still to be heard of is a race
        if line.starts_with("waiting for the observer to hear of") {
            return None;
        }
        match progress_key(line) {
            Some(key) if first.get(&key) == Some(&at) => last.get(&key).copied(),
            Some(_) => None,
            None => Some(line),
        }
    });
    // on a busy machine the second may turn between two clocks
    let same_second = |line: &str| line.replace(" 1 s apart from", " 0 s apart from");
    kept.map(|line| same_second(line.trim_end()))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Stands for what is random: the same value is the same name everywhere.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn of(&mut self, kind: &str, value: &str) -> String {
        let next = self.0.values().filter(|n| n.starts_with(kind)).count() + 1;
        let name = self.0.entry(value.to_owned());
        name.or_insert_with(|| format!("{kind}{next}")).clone()
    }

    /// The text with its commits, host ports and times named.
    fn name(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\0']) {
            if c.is_ascii_alphanumeric() {
                word.push(c);
                continue;
            }
            out.push_str(&self.word(&word, out.ends_with("127.0.0.1:")));
            word.clear();
            if c != '\0' {
                out.push(c);
            }
        }
        out
    }

    fn word(&mut self, word: &str, port: bool) -> String {
        let hex = word
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let digits = word.bytes().all(|b| b.is_ascii_digit());
        if port && word.len() == 5 && digits {
            return "<port>".to_owned();
        }
        // commits are written with seven digits, or whole
        if hex && matches!(word.len(), 7 | 40) && !word.is_empty() {
            return self.of("<commit>", &word[..7]);
        }
        word.to_owned()
    }
}

/// Dates and times of day, and how far apart clocks are.
fn timeless(text: &str) -> String {
    let shape: Vec<char> = "0000-00-00".chars().collect();
    let chars: Vec<char> = text.chars().collect();
    let like = |at: usize| {
        shape.iter().enumerate().all(|(i, s)| {
            chars.get(at + i).is_some_and(|c| {
                if *s == '0' {
                    c.is_ascii_digit()
                } else {
                    c == s
                }
            })
        })
    };
    let (mut out, mut at) = (String::new(), 0);
    while at < chars.len() {
        if like(at) {
            out.push_str("<time>");
            at += shape.len();
            while chars
                .get(at)
                .is_some_and(|c| c.is_ascii_digit() || ":.TZ".contains(*c))
                || (chars.get(at) == Some(&' ') && chars.get(at + 3) == Some(&':'))
            {
                at += 1;
            }
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Host and port of an address.
fn host(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_command_line_goes_as_it_is_shown() {
    type_session("docs/dploy.md", 15).await;
}

/// The flow of the first release's document, and what its observer says on standard output.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_from_the_first_release_sees_what_is_shown() {
    let document = read("docs/coming-from-dploy-0.8.md");
    let [said] = blocks(&document, "A session", "text")[..] else {
        panic!("what the observer says is in the document");
    };
    let version = env!("CARGO_PKG_VERSION");
    let greeting = format!(
        "This is dploy observer version {version}\nI'm observing branch dcos of repo mhausenblas/s4d\nAuthentication against GitHub done\nWebhook registered"
    );
    assert_eq!(said, greeting, "as lines.rs sees it said");
    type_session("docs/coming-from-dploy-0.8.md", 12).await;
}

/// Types the session of a document beside a local Marathon and a local GitHub.
async fn type_session(document: &str, least: usize) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let steps = steps(&read(document));
    assert!(steps.len() > least, "the session is in {document}");
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("dploy-local");
    let lent = world.join("tools");
    std::fs::create_dir_all(&lent).unwrap();
    tools::lend(&lent, Path::new(OBSERVER)).unwrap();
    let ports = test_kit::ports::Ports::take();
    let options = local_marathon::Options {
        dir: world.join("marathon"),
        tools: Some(lent),
        pace: quick_pace(),
        resources: ports.resources(),
        credentials: None,
    };
    let marathon = LocalMarathon::start(listener().await, options)
        .await
        .unwrap();
    let token = local_github::Token {
        value: PAT.to_owned(),
        login: "you".to_owned(),
        scopes: "repo, admin:repo_hook".to_owned(),
    };
    let options = local_github::Options {
        dir: world.join("github"),
        tokens: vec![token],
        pace: local_github::Pace::default(),
    };
    let github = LocalGithub::start(listener().await, options).await.unwrap();
    std::fs::write(world.join("github-token"), format!("{PAT}\n")).unwrap();
    let hosts = vec![
        ("127.0.0.1:8080", host(marathon.url())),
        ("127.0.0.1:3000", host(github.url())),
    ];
    Place::new(dir.path(), hosts).type_again(&steps).await;
    github.stop().await;
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_what_the_readme_says_sees_what_it_shows() {
    let readme = read("README.md");
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path().canonicalize().unwrap();
    let [start] = blocks(&readme, "Try it on this machine", "sh")[..1] else {
        panic!("how to try it is in the README");
    };
    let arguments = start.strip_prefix("cargo run --release --bin observer -- ");
    let free = ["-observer-port=0", "-marathon-port=0", "-github-port=0"];
    let arguments = arguments.unwrap().split(' ').chain(free);
    let arguments: Vec<&str> = arguments.collect();
    let mut world = Running::start(observer(&here, &arguments), false);
    world.line_with("Ctrl-C stops everything").await;
    let local = std::fs::read_to_string(here.join("dploy-local/local.json")).unwrap();
    let local: Value = serde_json::from_str(&local).unwrap();
    let at = |part: &str| host(local[part]["url"].as_str().unwrap());
    let hosts = vec![
        ("127.0.0.1:8888", at("observer")),
        ("127.0.0.1:8080", at("marathon")),
        ("127.0.0.1:3000", at("github")),
    ];
    let mut place = Place::new(&here, hosts);
    let token = local["observer"]["token"].as_str().unwrap();
    let welcome = place
        .written(&world.said)
        .replace(token, "<operator token>");
    let [shown] = blocks(&readme, "Try it on this machine", "text")[..] else {
        panic!("what it prints is in the README");
    };
    assert_eq!(welcome.trim_end(), shown);
    // a person reads for a while before the first push, and looks at it for a while
    place.run("dploy run -w dploy-local/hello").await;
    let (_, push) = shown.split_once("A first push").unwrap();
    let push: Vec<&str> = push.lines().filter_map(|l| l.strip_prefix("  ")).collect();
    assert_eq!(push.len(), 3, "{push:?}");
    for command in push {
        assert_eq!(place.run(command).await, "", "{command}");
    }
    place.run("dploy run -w dploy-local/hello").await;
    let steps = steps(&readme);
    assert!(steps.len() > 3, "a session is in the README");
    place.type_again(&steps).await;
    assert_eq!(world.signal("-INT").await.0, 0);
    nothing_runs_in(&here).await;
}

/// Columns are as wide as what is random in them.
fn squeezed(text: &str) -> String {
    let lines = text.lines().map(|l| {
        let words: Vec<&str> = l.split_whitespace().collect();
        let indent = l.len() - l.trim_start().len();
        format!("{}{}\n", " ".repeat(indent.min(2)), words.join(" "))
    });
    lines.collect::<String>().trim_end().to_owned()
}
