//! `dploy` as somebody runs it: the real program, a home of its own, nobody at the keyboard unless a test types.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use test_kit::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::program::{DPLOY, Ran, alone, ended};
use super::town::{PAT, TOKEN, Town};

/// A workspace and a home, and what every call finds in its environment.
pub struct Shell {
    /// The workspace, below `home`'s folder.
    pub dir: PathBuf,
    /// `HOME`; the configuration is in `config` of it.
    pub home: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Shell {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        // below it, so that nothing above the workspace is of this machine
        let dir = home.path().join("hello");
        std::fs::create_dir(&dir).unwrap();
        // Mesos-DNS is nobody's here
        let env = vec![(
            "DPLOY_MESOS_DNS".to_owned(),
            "http://127.0.0.1:9".to_owned(),
        )];
        Self { dir, home, env }
    }

    /// Every call from now on has this in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn spec(&self, name: &str, spec: &Value) {
        self.write(&format!("specs/{name}.json"), &format!("{spec:#}\n"));
    }

    /// The hosts that were confirmed.
    pub fn hosts_file(&self) -> PathBuf {
        self.home.path().join("config/dploy/hosts")
    }

    /// The program, started by `program` itself or by something that starts it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = alone(program, &self.dir, self.home.path());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `dploy` to its end, with nobody to ask.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(DPLOY);
        ended(command.args(arguments).output(), &arguments.join(" ")).await
    }

    /// The same, which must end well; answers its standard output.
    pub async fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments).await;
        assert_eq!(code, 0, "dploy {}: {out}{err}", arguments.join(" "));
        out
    }

    /// Runs it in a terminal that is so many columns wide, where somebody types `input`. Output and error are one there.
    pub async fn typed(&self, arguments: &[&str], input: &str, columns: u16) -> (i32, String) {
        let line = format!("exec {}", line(arguments));
        self.converses(&line, &[("", input)], columns).await
    }

    /// Runs a line of a shell in a terminal. Somebody types each text as soon as what is before it was said.
    pub async fn converses(
        &self,
        line: &str,
        dialogue: &[(&str, &str)],
        columns: u16,
    ) -> (i32, String) {
        let mut child = self.in_terminal(line, columns);
        // the keyboard stays: its end would be a typed Ctrl-D
        let mut keyboard = child.stdin.take().unwrap();
        let mut screen = child.stdout.take().unwrap();
        let mut said = Vec::new();
        let all = async {
            let (mut next, mut from) = (dialogue.iter().peekable(), 0);
            loop {
                let text = String::from_utf8_lossy(&said[from..]).into_owned();
                if let Some((_, typed)) = next.next_if(|(marker, _)| text.contains(marker)) {
                    from = said.len();
                    keyboard.write_all(typed.as_bytes()).await.unwrap();
                    continue;
                }
                if screen.read_buf(&mut said).await.unwrap() == 0 {
                    break child.wait().await.unwrap();
                }
            }
        };
        let status = wait::ended(all).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        let status = status.unwrap_or_else(|| panic!("{line} does not end: {said}"));
        assert!(!said.contains("panicked"), "{line}: {said}");
        (status.code().unwrap_or(-1), said)
    }

    /// A line of a shell in a terminal.
    fn in_terminal(&self, line: &str, columns: u16) -> Child {
        let line = format!("stty rows 40 cols {columns} -echo; {line}");
        let mut script = self.command("script");
        script.env("SHELL", "/bin/sh").env("TERM", "xterm");
        script.args(["-qec", &line, "/dev/null"]);
        let child = script.stdin(Stdio::piped()).spawn();
        child.unwrap_or_else(|error| panic!("script is missing: {error}"))
    }

    /// Runs a line of a shell in a terminal where nobody types. What is to happen happens as soon as `marker` is seen.
    pub async fn watched(
        &self,
        line: &str,
        columns: u16,
        marker: &str,
        then: impl Future<Output = ()>,
    ) -> (i32, String) {
        let mut child = self.in_terminal(line, columns);
        let _keyboard = child.stdin.take().unwrap();
        let mut screen = child.stdout.take().unwrap();
        let mut said = Vec::new();
        let seen = async {
            while !String::from_utf8_lossy(&said).contains(marker) {
                assert!(
                    screen.read_buf(&mut said).await.unwrap() > 0,
                    "no {marker:?}: {said:?}"
                );
            }
            then.await;
            screen.read_to_end(&mut said).await.unwrap();
            child.wait().await.unwrap()
        };
        let status = wait::ended(seen).await;
        let said = String::from_utf8_lossy(&said).into_owned();
        let status = status.unwrap_or_else(|| panic!("{line} does not end: {said}"));
        assert!(!said.contains("panicked"), "{line}: {said}");
        (status.code().unwrap_or(-1), said)
    }

    /// Runs it for a script where it fails: standard error must be one line of JSON and nothing else, and know the exit code. No
    /// secret of a town stands there.
    pub async fn refused(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["-json"]].concat();
        let (code, out, err) = self.run(&all).await;
        assert_eq!(err.lines().count(), 1, "{all:?}: {out}{err}");
        for secret in [TOKEN, PAT] {
            assert!(!err.contains(secret), "{all:?}: {err}");
        }
        let said: Value =
            serde_json::from_str(&err).unwrap_or_else(|e| panic!("{all:?}: {e}: {out:?} {err:?}"));
        let fields: Vec<&String> = said.as_object().unwrap().keys().collect();
        assert_eq!(
            fields,
            ["code", "detail", "exit", "hint"],
            "{all:?}: {said}"
        );
        assert_eq!(said["exit"], code, "{all:?}: {said}");
        assert!(
            code != 0 && !said["detail"].as_str().unwrap().is_empty(),
            "{all:?}: {said}"
        );
        said
    }

    /// Runs it for a script: standard output must be one document of JSON and nothing else.
    pub async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let all = [arguments, &["-json"]].concat();
        let (code, out, err) = self.run(&all).await;
        let value = serde_json::from_str(&out);
        let value = value.unwrap_or_else(|e| panic!("{all:?}: {e}: {out:?} {err}"));
        (code, value)
    }
}

/// A workspace that is the clone of a town, and knows its observer.
pub fn clone_of(town: &Town) -> Shell {
    let mut shell = Shell::new()
        .env("DPLOY_MARATHON_URL", &town.marathon_url)
        .env("DPLOY_OBSERVER_URL", town.url())
        .env("DPLOY_OBSERVER_TOKEN", TOKEN);
    shell.dir.clone_from(&town.clone);
    shell
}

/// The program with these arguments, as a line of a shell.
pub fn line(arguments: &[&str]) -> String {
    let all = [&[DPLOY], arguments].concat();
    let quoted = all
        .iter()
        .map(|a| format!("'{}'", a.replace('\'', r"'\''")));
    quoted.collect::<Vec<_>>().join(" ")
}

/// A service that is healthy at once and needs nothing but a shell; `version` is what an update changes.
pub fn shell_service(id: &str, version: u32) -> Value {
    json!({
        "id": id,
        "cmd": format!("touch up; : version {version}; while sleep 1; do :; done"),
        "cpus": 0.1, "mem": 16, "instances": 1,
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "test -f up"}, "gracePeriodSeconds": 10,
            "intervalSeconds": 1, "timeoutSeconds": 20, "maxConsecutiveFailures": 3}],
        "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}
    })
}

pub fn mode(file: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).unwrap().permissions().mode() & 0o777
}

pub fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}
