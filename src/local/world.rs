//! The whole local world: local Marathon, local GitHub, the observer between them, a sample repository and its clone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use local_github::{LocalGithub, Token};
use local_kit::lock::Lock;
use local_marathon::{LocalMarathon, Mesos};
use serde_json::json;
use tokio::net::TcpListener;

use super::{sample, tools};
use crate::app::{self, Observer, Surroundings};
use crate::secret::Secret;
use crate::settings::{Settings, Shown};
use crate::web::html::Trial;

/// Owner and name of the sample repository.
const OWNER: &str = "you";
const REPOSITORY: &str = "hello";

/// Ports; 0 is any that is free.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Of the observer.
    pub observer: u16,
    /// Of the local Marathon.
    pub marathon: u16,
    /// Of the local GitHub.
    pub github: u16,
}

/// A running local world.
pub struct World {
    marathon: LocalMarathon,
    github: LocalGithub,
    observer: Observer,
    token: Secret,
    clone: PathBuf,
    // another world on the same folder would fight for the same processes
    lock: Lock,
}

/// Binds a port of this machine; `flag` is what chooses another.
async fn listen(port: u16, what: &str, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| {
            format!(
                "port {port} for {what} is taken; choose another with {flag} (0: any that is free)"
            )
        })
}

/// A secret that is kept in a file of its own.
fn kept_secret(file: &Path) -> anyhow::Result<Secret> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt;
    if let Ok(text) = std::fs::read_to_string(file)
        && !text.trim().is_empty()
    {
        return Ok(Secret::new(text.trim()));
    }
    let secret = Secret::random()?;
    let mut written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    writeln!(written, "{}", secret.expose())?;
    Ok(secret)
}

/// The folder that is put first on the tasks' `PATH`.
fn lent_tools(dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = dir.join("tools");
    tools::lend(&folder, &std::env::current_exe()?)
        .with_context(|| format!("making {}", folder.display()))?;
    Ok(folder.canonicalize()?)
}

/// The local Marathon alone. `flag` is what chooses another port; `change` what is unlike the default.
///
/// # Errors
/// When the port is taken or the folder cannot be used.
pub async fn marathon(
    dir: &Path,
    port: u16,
    flag: &str,
    change: impl FnOnce(&mut local_marathon::Options),
) -> anyhow::Result<LocalMarathon> {
    let listener = listen(port, "the local Marathon", flag).await?;
    let mut options = local_marathon::Options {
        dir: dir.join("marathon"),
        tools: Some(lent_tools(dir)?),
        pace: local_marathon::Pace::default(),
        resources: local_marathon::Resources::default(),
        credentials: None,
    };
    change(&mut options);
    let mesos = Mesos {
        listener: listen(0, "the local Mesos", flag).await?,
        credentials: None,
    };
    LocalMarathon::start_with_mesos(listener, mesos, options).await
}

/// The local GitHub alone. `flag` is what chooses another port.
///
/// # Errors
/// When the port is taken or the folder cannot be used.
pub async fn github(dir: &Path, port: u16, flag: &str) -> anyhow::Result<LocalGithub> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let listener = listen(port, "the local GitHub", flag).await?;
    let token = kept_secret(&dir.join("github-token"))?;
    let tokens = vec![Token {
        value: token.expose().to_owned(),
        login: OWNER.to_owned(),
        scopes: "repo, admin:repo_hook".to_owned(),
    }];
    LocalGithub::start(
        listener,
        local_github::Options {
            dir: dir.join("github"),
            tokens,
            pace: local_github::Pace::default(),
        },
    )
    .await
}

fn lock(dir: &Path) -> anyhow::Result<Lock> {
    std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
    let taken = format!(
        "a local world runs in {} already; stop it, or choose another folder with -dir",
        dir.display()
    );
    Lock::take(&dir.join("lock"), &taken)
}

/// Forgets what a world left, but only in a folder that is one.
fn forget(dir: &Path) -> anyhow::Result<()> {
    for part in ["marathon", "github", "observer", "hello", "tools"] {
        let path = dir.join(part);
        if path.exists() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("removing {}", path.display()))?;
        }
    }
    Ok(())
}

/// A path as somebody who stands here types it.
fn typed(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let from_here = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    quoted(&from_here.unwrap_or_else(|| path.to_owned()))
}

impl World {
    /// Starts everything in `dir`.
    ///
    /// # Errors
    /// When a port is taken, git is missing, or the folder cannot be used.
    pub async fn start(
        dir: &Path,
        fresh: bool,
        ports: Ports,
        settings: Settings,
        shown: &BTreeMap<String, Shown>,
    ) -> anyhow::Result<Self> {
        let lock = lock(dir)?;
        let dir = dir.canonicalize()?;
        if fresh {
            local_marathon::ensure_unused(&dir.join("marathon"))?;
            local_marathon::kill_leftovers(&dir.join("marathon")).await;
            local_github::ensure_unused(&dir.join("github"))?;
            forget(&dir)?;
        }
        let listener = listen(ports.observer, "the observer", "-observer-port").await?;
        let github = github(&dir, ports.github, "-github-port").await?;
        let marathon = marathon(&dir, ports.marathon, "-marathon-port", |_| ()).await?;
        let clone = dir.join(REPOSITORY);
        sample::seed(&github, OWNER, REPOSITORY, &clone, marathon.url()).await?;
        let token = kept_secret(&dir.join("operator-token"))?;
        let settings = observer_settings(
            settings,
            shown,
            &dir,
            &marathon,
            &github,
            &token,
            listener.local_addr()?.port(),
        )?;
        let surroundings = Surroundings {
            greets: false,
            trial: Some(Arc::new(Trial {
                app: REPOSITORY.parse()?,
                repository: format!("{OWNER}/{REPOSITORY}"),
                clone: typed(&clone),
                github: github.url().to_owned(),
                marathon: marathon.url().to_owned(),
            })),
            ..Surroundings::usual(&settings, as_local(shown, &settings))
        };
        let observer = app::start(listener, settings, surroundings).await?;
        let world = Self {
            marathon,
            github,
            observer,
            token,
            clone,
            lock,
        };
        world.write_down(&dir)?;
        Ok(world)
    }

    /// `<dir>/local.json` tells programs what runs.
    fn write_down(&self, dir: &Path) -> anyhow::Result<()> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt;
        let github_token = kept_secret(&dir.join("github-token"))?;
        let body = json!({
            "observer": {"url": self.observer.url, "token": self.token.expose()},
            "marathon": {"url": self.marathon.url()},
            "github": {"url": self.github.url(), "token": github_token.expose(), "repository": format!("{OWNER}/{REPOSITORY}"), "clone": self.clone},
        });
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(dir.join("local.json"))?;
        writeln!(file, "{body:#}")?;
        Ok(())
    }

    /// What runs where, and the three commands of a first push.
    #[must_use]
    pub fn welcome(&self) -> String {
        let mut text = String::new();
        let lines = [
            ("dashboard", format!("{}/apps/hello", self.observer.url)),
            ("log in with", self.token.expose().to_owned()),
            ("Marathon", format!("{}/v2/apps", self.marathon.url())),
            (
                "GitHub",
                format!("{}/{OWNER}/{REPOSITORY}", self.github.url()),
            ),
        ];
        for (what, value) in lines {
            let _ = writeln!(text, "  {what:<12} {value}");
        }
        let clone = typed(&self.clone);
        format!(
            "The local world runs.\n\n{text}\nA first push, in a second terminal:\n\n  \
             sed -i 's/--version [0-9]*/--version 2/; s/#2563eb/#c2410c/' {clone}/specs/web.json\n  \
             git -C {clone} commit -qam 'web: version 2'\n  \
             git -C {clone} push -q\n\nCtrl-C stops everything."
        )
    }

    /// The observer of this world.
    #[must_use]
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Stops everything; no process is left.
    pub async fn stop(self) {
        self.observer.stop().await;
        self.github.stop().await;
        self.marathon.stop().await;
        drop(self.lock);
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// What is quicker here unless it is set, in seconds: poll, deadline, settle.
pub const QUICK: [(&str, u64); 3] = [("poll", 10), ("deadline", 60), ("settle", 3)];

/// The settings hold for the local observer too; what is not set is quicker than usual.
fn observer_settings(
    mut settings: Settings,
    shown: &BTreeMap<String, Shown>,
    dir: &Path,
    marathon: &LocalMarathon,
    github: &LocalGithub,
    token: &Secret,
    port: u16,
) -> anyhow::Result<Settings> {
    let unset = |name: &str| shown.get(name).is_none_or(|s| s.from == "default");
    settings.listen = format!("127.0.0.1:{port}");
    settings.data = dir.join("observer");
    settings.marathon_url = Some(marathon.url().to_owned());
    github.url().clone_into(&mut settings.github_api);
    settings.pat = Some(kept_secret(&dir.join("github-token"))?);
    settings.token = Some(token.clone());
    settings.token_sha256 = None;
    settings.public_url = Some(format!("http://127.0.0.1:{port}"));
    settings.owner = Some(OWNER.to_owned());
    settings.repo = Some(REPOSITORY.to_owned());
    sample::BRANCH.clone_into(&mut settings.branch);
    (
        settings.marathon_user,
        settings.marathon_password,
        settings.marathon_token,
    ) = (None, None, None);
    let quick = [
        &mut settings.poll,
        &mut settings.deadline,
        &mut settings.settle,
    ];
    for (value, (name, seconds)) in quick.into_iter().zip(QUICK) {
        if unset(name) {
            *value = seconds;
        }
    }
    Ok(settings)
}

/// The settings as they are shown: what the local world gave is no default.
fn as_local(shown: &BTreeMap<String, Shown>, settings: &Settings) -> BTreeMap<String, Shown> {
    let mut shown = shown.clone();
    let given = |value: String| Shown {
        value,
        from: "local world",
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    for (name, value) in [
        ("listen", settings.listen.clone()),
        ("data", settings.data.display().to_string()),
        ("marathon-url", text(&settings.marathon_url)),
        ("github-api", settings.github_api.clone()),
        ("public-url", text(&settings.public_url)),
    ] {
        shown.insert(name.to_owned(), given(value));
    }
    for (name, seconds) in [
        ("poll", settings.poll),
        ("deadline", settings.deadline),
        ("settle", settings.settle),
    ] {
        if shown.get(name).is_none_or(|s| s.from == "default") {
            shown.insert(name.to_owned(), given(seconds.to_string()));
        }
    }
    shown
}
