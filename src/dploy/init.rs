//! `dploy init`: a descriptor, a service that runs, and a `.gitignore` that keeps tokens out of the repository.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::json;

use super::args::InitArgs;
use super::session::{Session, TOKEN_FILE, repository};
use super::trust::What;
use super::workspace::ignoring;
use crate::descriptor::Descriptor;
use crate::discovery;
use crate::id::{AppId, Branch};

/// Marathon on this machine: a local one, or a tunnel.
const USUAL_MARATHON: &str = "http://localhost:8080";

pub(super) fn run(session: &Session, args: &InitArgs) -> anyhow::Result<ExitCode> {
    let folder = &session.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let specs = folder.join("specs");
    let kept = kept(session, args)?;
    let given = session.global.marathon_url.as_deref();
    let (name, text) = if let Some(name) = kept {
        (name, None)
    } else {
        let name = name(folder, args.name.as_deref())?;
        let marathon = discovery::address(given.unwrap_or(USUAL_MARATHON), "-marathon-url")?;
        let text = descriptor(&name, &marathon, args);
        readable(&text, args)?;
        (name, Some(text))
    };
    std::fs::create_dir_all(&specs).with_context(|| format!("making {}", specs.display()))?;
    let mut made = Vec::new();
    let mut write = |name: &str, text: &str| {
        made.push(name.to_owned());
        std::fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))
    };
    let empty = std::fs::read_dir(&specs)?.next().is_none();
    if empty {
        write("specs/hello.json", &hello(&name))?;
    }
    let adds = folder.join(".gitignore").exists();
    if let Some(ignored) = ignoring(folder, &[".pat", TOKEN_FILE]) {
        write(".gitignore", &ignored)?;
    }
    let was_there = text.is_none();
    if let Some(text) = text {
        write("dploy.app", &text)?;
    }
    remember(session, given, args)?;
    if session.terminal.json {
        session.terminal.data(&json!({"app": name, "made": made}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let secrets = format!(".pat and {TOKEN_FILE} in .gitignore");
    for file in made.iter_mut().filter(|m| adds && *m == ".gitignore") {
        file.clone_from(&secrets);
    }
    let made = made.join(", ");
    session.terminal.say(match (was_there, made.as_str()) {
        (false, made) => format!("Made the app {name}: {made}"),
        (true, "") => format!("The app {name} is here already; everything stays as it is."),
        (true, made) => format!("The app {name} is here already, dploy.app stays as it is; made what was missing: {made}"),
    });
    session
        .terminal
        .hint("Look into dploy.app and specs/, then `dploy dryrun` shows what would be deployed.");
    Ok(ExitCode::SUCCESS)
}

/// The app that is here already, where there is one: its descriptor is never written over, so what is given must be what
/// stands in it.
fn kept(session: &Session, args: &InitArgs) -> anyhow::Result<Option<AppId>> {
    if !session.folder.join("dploy.app").exists() {
        return Ok(None);
    }
    let there = session.workspace()?;
    let descriptor = &there.descriptor;
    let name = Some(descriptor.app_name.clone());
    // a variable of the shell is no wish for this descriptor
    let variable = std::env::var("DPLOY_MARATHON_URL").ok();
    let marathon = session.global.marathon_url.clone();
    let marathon = marathon.filter(|url| Some(url) != variable.as_ref());
    for (flag, given, stands) in [
        ("-name", &args.name, &name),
        ("-marathon-url", &marathon, &descriptor.marathon_url),
        ("-repo-url", &args.repo_url, &descriptor.repo_url),
        ("-public-node", &args.public_node, &descriptor.public_node),
        (
            "-trigger-branch",
            &args.trigger_branch,
            &descriptor.trigger_branch,
        ),
    ] {
        let key = match flag {
            "-name" => "app_name".to_owned(),
            other => other.trim_start_matches('-').replace('-', "_"),
        };
        let bare =
            |text: &Option<String>| text.as_ref().map(|t| t.trim_end_matches('/').to_owned());
        if given.is_some() && bare(given) != bare(stands) {
            let says = stands
                .as_ref()
                .map_or("nothing".to_owned(), |s| format!("{s:?}"));
            bail!(
                "dploy.app is here already, and for {key} it says {says}, not what {flag} says; nothing was written: change it in dploy.app"
            );
        }
    }
    Ok(Some(there.app))
}

/// What is written must say what was meant, also to YAML.
fn readable(text: &str, args: &InitArgs) -> anyhow::Result<()> {
    let read = Descriptor::parse(text.as_bytes());
    for (flag, given, understood) in [
        (
            "-repo-url",
            &args.repo_url,
            read.as_ref().map(|d| &d.repo_url),
        ),
        (
            "-public-node",
            &args.public_node,
            read.as_ref().map(|d| &d.public_node),
        ),
        (
            "-trigger-branch",
            &args.trigger_branch,
            read.as_ref().map(|d| &d.trigger_branch),
        ),
    ] {
        if let Some(value) = given
            && understood.ok() != Some(given)
        {
            bail!("{flag}: {value:?} is none; nothing was written");
        }
    }
    read?;
    if let Some(url) = &args.repo_url {
        repository(url)?;
    }
    if let Some(branch) = &args.trigger_branch {
        let parsed: Result<Branch, _> = branch.parse();
        parsed.map_err(|e| anyhow::anyhow!("-trigger-branch: {e}"))?;
    }
    Ok(())
}

/// Who names hosts has confirmed them; those that stand in the descriptor by default nobody has.
fn remember(session: &Session, marathon: Option<&str>, args: &InitArgs) -> anyhow::Result<()> {
    if let Some(marathon) = marathon {
        for what in [What::MarathonLogin, What::GithubTokenInMarathon] {
            session.hosts.remember(what, marathon)?;
        }
    }
    match &args.repo_url {
        Some(url) => session.hosts.remember(What::GithubToken, url),
        None => Ok(()),
    }
}

/// The name that was given, or the folder's as far as a name may look like it.
fn name(folder: &Path, given: Option<&str>) -> anyhow::Result<AppId> {
    let of_folder = folder
        .file_name()
        .map(|n| n.to_string_lossy().to_lowercase());
    let of_folder: String = of_folder
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let text = given.unwrap_or_else(|| of_folder.trim_matches('-'));
    text.parse()
        .map_err(|e| anyhow::anyhow!("{e}; name the app with -name"))
}

fn descriptor(name: &AppId, marathon: &str, args: &InitArgs) -> String {
    let mut text = format!("app_name: {name}\nmarathon_url: {marathon}\n");
    text.push_str(
        "\n# Push-to-deploy: with repo_url, public_node and a GitHub token in the file .pat,\n\
         # `dploy run` launches the observer; it deploys each push to the trigger branch.\n",
    );
    for (key, value, example) in [
        ("repo_url", &args.repo_url, "https://github.com/you/this"),
        ("public_node", &args.public_node, "52.37.239.156"),
        ("trigger_branch", &args.trigger_branch, "dcos"),
    ] {
        let _ = match value {
            Some(value) => writeln!(text, "{key}: {value}"),
            None => writeln!(text, "# {key}: {example}"),
        };
    }
    text.push_str(
        "\n# Remove services whose spec has left specs/, instead of listing them:\n# prune: true\n\
         # Seconds without progress after which a rollout has failed:\n# deadline: 600\n",
    );
    text
}

/// A service that needs nothing but a shell, so that it runs on any agent.
fn hello(name: &AppId) -> String {
    let spec = json!({
        "id": format!("/{name}/hello"),
        "cmd": "touch up; while sleep 5; do echo hello; done",
        "instances": 1,
        "cpus": 0.1,
        "mem": 32,
        "healthChecks": [{
            "protocol": "COMMAND",
            "command": {"value": "test -f up"},
            "delaySeconds": 1,
            "gracePeriodSeconds": 10,
            "intervalSeconds": 2,
            "timeoutSeconds": 5,
            "maxConsecutiveFailures": 3
        }],
        "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}
    });
    format!("{spec:#}\n")
}
