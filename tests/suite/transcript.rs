//! The session in the README is typed again, command by command, against a local Marathon and a local GitHub, and must
//! look the same. Only what is random differs: ports, commits and times stand for each other in their order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use dploy_observer::local::github::{self, LocalGithub};
use dploy_observer::local::marathon::{self, LocalMarathon};
use dploy_observer::local::tools;

use super::town::{listener, quick_pace};

const PAT: &str = "a-github-token-of-the-session";

/// A command, and what it printed.
struct Step {
    command: String,
    output: String,
}

/// The commands of the README's session.
fn steps(readme: &str) -> Vec<Step> {
    let section = readme.split("\n## A session\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut steps: Vec<Step> = Vec::new();
    for block in section.split("```console\n").skip(1) {
        for line in block.split("\n```").next().unwrap().lines() {
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
    }
    steps
}

struct Place {
    home: PathBuf,
    cwd: PathBuf,
    marathon: String,
    github: String,
}

impl Place {
    /// Runs a command as a shell does, and goes where it goes.
    async fn run(&mut self, command: &str) -> String {
        let command = command
            .replace("127.0.0.1:8080", &self.marathon)
            .replace("127.0.0.1:3000", &self.github);
        let script = format!("exec 2>&1\n{command}\ncode=$?\npwd > \"$HOME/cwd\"\nexit $code");
        let bin = Path::new(env!("CARGO_BIN_EXE_dploy")).parent().unwrap();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let output = tokio::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(&self.cwd)
            .env_clear()
            .env("PATH", path)
            .env("HOME", &self.home)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "You")
            .env("GIT_AUTHOR_EMAIL", "you@example.com")
            .env("GIT_COMMITTER_NAME", "You")
            .env("GIT_COMMITTER_EMAIL", "you@example.com")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(100), output)
            .await
            .unwrap_or_else(|_| panic!("{command} does not end"))
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{command}: {text}");
        let cwd = std::fs::read_to_string(self.home.join("cwd")).unwrap();
        self.cwd = PathBuf::from(cwd.trim());
        text.replace(&self.marathon, "127.0.0.1:8080")
            .replace(&self.github, "127.0.0.1:3000")
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
    kept.map(str::trim_end).collect::<Vec<_>>().join("\n")
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

#[tokio::test(flavor = "multi_thread")]
async fn the_session_of_the_readme_goes_as_it_is_shown() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    let steps = steps(&readme.unwrap());
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("dploy-local");
    let lent = world.join("tools");
    std::fs::create_dir_all(&lent).unwrap();
    tools::lend(&lent, Path::new(env!("CARGO_BIN_EXE_observer"))).unwrap();
    let options = marathon::Options {
        dir: world.join("marathon"),
        tools: Some(lent),
        pace: quick_pace(),
        resources: marathon::Resources::default(),
        credentials: None,
    };
    let marathon = LocalMarathon::start(listener().await, options)
        .await
        .unwrap();
    let token = github::Token {
        value: PAT.to_owned(),
        login: "you".to_owned(),
        scopes: "repo, admin:repo_hook".to_owned(),
    };
    let options = github::Options {
        dir: world.join("github"),
        tokens: vec![token],
        pace: github::Pace::default(),
    };
    let github = LocalGithub::start(listener().await, options).await.unwrap();
    std::fs::write(world.join("github-token"), format!("{PAT}\n")).unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let mut place = Place {
        home,
        cwd: dir.path().to_owned(),
        marathon: marathon.url().trim_start_matches("http://").to_owned(),
        github: github.url().trim_start_matches("http://").to_owned(),
    };
    let print = std::env::var_os("DPLOY_TRANSCRIPT").is_some();
    let (mut shown, mut seen) = (Names::default(), Names::default());
    for step in &steps {
        let output = last_frames(&place.run(&step.command).await);
        if print {
            println!("$ {}\n{}", step.command, output.trim_end());
            continue;
        }
        let shown = shown.name(&timeless(&step.output));
        let seen = seen.name(&timeless(&output));
        assert_eq!(squeezed(&seen), squeezed(&shown), "$ {}", step.command);
    }
    assert!(steps.len() > 15, "the session is in the README");
    github.stop().await;
    marathon.stop().await;
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
