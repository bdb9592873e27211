//! What Marathon is told to run: a template with what is known here filled in. What it sets itself stays.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::Launch;
use crate::dploy::session::LABEL;
use crate::secret::Secret;

/// For Docker: what a cluster runs.
const DOCKER: &str = include_str!("../../../observer.json");

/// For a program that the agent fetches: no image is needed.
const ARTIFACT: &str = include_str!("../observer-artifact.json");

/// Where the log lies on a node of a cluster.
const ON_NODE: &str = "/var/lib/dploy-observer";

/// The observer of the first release.
const FIRST_RELEASE: &str = "mhausenblas/dploy-observer";

/// For a Marathon whose tasks are processes of this machine.
const PROCESS: &str = include_str!("../observer-process.json");

impl Launch<'_> {
    /// The template, filled in, and whether its tasks are processes of this machine.
    pub(super) async fn spec(&self) -> anyhow::Result<(Value, bool)> {
        let local = self.marathon.client.local_info().await?;
        let artifact = self.args.observer_artifact.clone().unwrap_or_default();
        let built_in = || "the built-in spec".to_owned();
        let (text, file) = match (&self.args.observer_spec, &local) {
            (Some(file), _) => {
                let shown = file.display().to_string();
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("reading {shown}"))?;
                (text, shown)
            }
            (None, _) if !artifact.is_empty() => (ARTIFACT.to_owned(), built_in()),
            (None, Some(_)) => (PROCESS.to_owned(), built_in()),
            (None, None) => (DOCKER.to_owned(), built_in()),
        };
        let volumes = local.as_ref().and_then(|l| l["volumes"].as_str());
        let data = volumes.map_or_else(
            || ON_NODE.to_owned(),
            |v| Path::new(v).join("dploy-observer").display().to_string(),
        );
        let image = self.args.observer_image.clone().unwrap_or_default();
        if !artifact.is_empty() && !text.contains("<DPLOY_OBSERVER_ARTIFACT>") {
            bail!(
                "{file}: nothing in it takes what -observer-artifact (DPLOY_OBSERVER_ARTIFACT) names; write \"<DPLOY_OBSERVER_ARTIFACT>\" as the uri of its fetch in place of a container, or leave out one of -observer-spec and -observer-artifact"
            );
        }
        let name = &self.github.name;
        let values = [
            ("<DPLOY_PUBLIC_NODE>", self.node.to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_PAT>", self.pat.expose().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_OWNER>", name.owner().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_REPO>", name.name().to_owned()),
            ("<DPLOY_OBSERVER_DATA>", data.clone()),
            ("<DPLOY_OBSERVER_IMAGE>", image.clone()),
            ("<DPLOY_OBSERVER_ARTIFACT>", artifact),
        ];
        if text.contains("<DPLOY_OBSERVER_IMAGE>") && image.is_empty() {
            bail!(
                "which image is the observer's? Build it with `docker build -t <registry>/dploy-observer .`, push it, and name it with -observer-image; or name an archive with the program by -observer-artifact, which needs no image"
            );
        }
        let mut spec: Value = serde_json::from_str(&text).map_err(|e| {
            let why = e.to_string();
            let why = why.split(" at line ").next().unwrap_or_default();
            anyhow::anyhow!("{file}:{}:{}: {why}", e.line(), e.column())
        })?;
        let Some(map) = spec.as_object_mut() else {
            bail!("{file}:1:1: the observer's spec is no JSON object");
        };
        absolute(map);
        if keep_a_log(map, &data) {
            self.session.terminal.note(format!(
                "{file}: it keeps no log; a folder for it ({data}), and the built-in spec's health check and upgrade strategy where it has none, were put in"
            ));
        }
        if let Some(named) = map
            .get_mut("container")
            .and_then(|c| c.pointer_mut("/docker/image"))
        {
            if !image.is_empty() {
                *named = image.into();
            }
            let first_release = named.as_str().is_some_and(|n| n.starts_with(FIRST_RELEASE));
            if first_release {
                bail!(
                    "{file}: {named} is the observer of the first release, which keeps no log and takes hooks from anybody; name an image of this one with -observer-image"
                );
            }
        }
        for key in ["env", "labels"] {
            let part = map.entry(key).or_insert_with(|| json!({}));
            let Some(part) = part.as_object_mut() else {
                bail!("{file}:1:1: {key} of the observer's spec is no JSON object");
            };
            match key {
                "env" => {
                    self.run_time(part, &file);
                    self.environment(part, local.is_some());
                }
                // how it is found again
                _ => part
                    .insert(LABEL.to_owned(), json!("true"))
                    .map_or((), drop),
            }
        }
        fill(&mut spec, &values);
        if let Some((_, left)) = spec.to_string().split_once("<DPLOY_") {
            let name = left.split('>').next().unwrap_or_default();
            bail!("{file}: nothing is known to fill <DPLOY_{name}> in with");
        }
        Ok((spec, local.is_some()))
    }

    /// The four run-time parameters of the first release: empty or not there, they are filled in. A repository that is not the
    /// workspace's stands in the template that the first release came with, and was filled in too.
    fn run_time(&self, env: &mut Map<String, Value>, file: &str) {
        let name = &self.github.name;
        for (key, value) in [
            ("DPLOY_PUBLIC_NODE", self.node),
            ("DPLOY_OBSERVER_GITHUB_PAT", self.pat.expose()),
            ("DPLOY_OBSERVER_GITHUB_OWNER", name.owner()),
            ("DPLOY_OBSERVER_GITHUB_REPO", name.name()),
        ] {
            // what is no text, such as the name of a secret, is of whoever wrote the spec
            let says = match env.get(key) {
                None => "",
                Some(Value::String(text)) => text.as_str(),
                Some(_) => continue,
            };
            let is_repository = key.ends_with("OWNER") || key.ends_with("REPO");
            let other =
                is_repository && !says.starts_with('<') && !says.eq_ignore_ascii_case(value);
            if other && !says.is_empty() {
                let note = format!(
                    "{file}: {key} is {value} here, as in repo_url of dploy.app, and not {says}"
                );
                self.session.terminal.note(note);
            }
            if other || (says.is_empty() && !env.contains_key(&format!("{key}_FILE"))) {
                env.insert(key.to_owned(), value.into());
            }
        }
    }

    /// What the template does not name. What it names itself stays.
    fn environment(&self, env: &mut Map<String, Value>, local: bool) {
        let mut add = |name: &str, value: String| {
            env.entry(name.to_owned()).or_insert(Value::String(value));
        };
        add(
            "DPLOY_OBSERVER_TARGETBRANCH",
            self.workspace.branch().to_owned(),
        );
        add("DPLOY_OBSERVER_GITHUB_API", self.github.api.clone());
        if let Some(url) = &self.args.public_url {
            add("DPLOY_OBSERVER_PUBLIC_URL", url.clone());
        }
        if self.args.allow_plain_login {
            add("DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN", "true".to_owned());
        }
        let set = &self.session.global;
        let secret = |given: &Option<Secret>| given.as_ref().map(|s| s.expose().to_owned());
        // its agents are asked by address, wherever Marathon is found
        let mut logins = vec![
            ("DPLOY_MESOS_USER", set.mesos_user.clone()),
            ("DPLOY_MESOS_PASSWORD", secret(&set.mesos_password)),
        ];
        // inside of DC/OS Marathon is found by Mesos-DNS, and needs no login; behind a tunnel its address is ours alone
        let reached = reqwest::Url::parse(&self.marathon.url).is_ok_and(|u| {
            let here = matches!(u.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            u.path() == "/" && !here
        });
        if local || reached {
            add("DPLOY_MARATHON_URL", self.marathon.url.clone());
            logins.extend([
                ("DPLOY_MARATHON_USER", set.marathon_user.clone()),
                ("DPLOY_MARATHON_PASSWORD", secret(&set.marathon_password)),
                ("DPLOY_MARATHON_TOKEN", secret(&set.marathon_token)),
            ]);
        }
        for (name, value) in logins {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                add(name, value);
            }
        }
    }
}

/// The agent that a constraint of a spec names.
pub(super) fn host_in(spec: &Value) -> Option<String> {
    let constraints = spec["constraints"].as_array()?;
    let of_host = constraints.iter().find(|c| c[0] == "hostname")?;
    of_host[2].as_str().map(str::to_owned)
}

/// Puts in what a spec of one's own lacks of the built-in one to keep a log, in the folder `data` of its agent: the template of the
/// first release had no log to keep. Answers whether it lacked the folder.
fn keep_a_log(spec: &mut Map<String, Value>, data: &str) -> bool {
    let part = |spec: &Map<String, Value>, path: &[&str]| {
        let mut value = spec.get(path[0])?;
        for key in &path[1..] {
            value = value.get(key)?;
        }
        (!value.is_null()).then(|| value.clone())
    };
    let docker = part(spec, &["container", "docker"]).is_some();
    let Ok(built_in) = serde_json::from_str::<Value>(if docker { DOCKER } else { PROCESS }) else {
        return false;
    };
    // two of them on one log is one too many
    spec.entry("upgradeStrategy")
        .or_insert_with(|| built_in["upgradeStrategy"].clone());
    let volumes = part(spec, &["container", "volumes"]);
    let mounts = volumes.is_some_and(|v| v.as_array().is_some_and(|v| !v.is_empty()));
    let by_flag = part(spec, &["cmd"]).is_some_and(|cmd| cmd.to_string().contains("-data"));
    if mounts || by_flag || part(spec, &["env", "DPLOY_OBSERVER_DATA"]).is_some() {
        return false;
    }
    for key in ["healthChecks", "taskKillGracePeriodSeconds"] {
        spec.entry(key).or_insert_with(|| built_in[key].clone());
    }
    if docker && let Some(container) = spec.get_mut("container") {
        container["volumes"] = built_in["container"]["volumes"].clone();
        if container["docker"]["parameters"].is_null() {
            container["docker"]["parameters"] =
                built_in["container"]["docker"]["parameters"].clone();
        }
    } else if let Some(env) = spec
        .entry("env")
        .or_insert_with(|| json!({}))
        .as_object_mut()
    {
        env.insert("DPLOY_OBSERVER_DATA".to_owned(), data.into());
    }
    true
}

/// Adds the constraint that keeps the observer on the agent where its log is, unless the spec says itself where it runs.
pub(super) fn kept_on(spec: &mut Value, host: &str) -> bool {
    let constraints = spec["constraints"].as_array();
    let says = constraints.is_some_and(|all| all.iter().any(|c| c[0] == "hostname"));
    if !says {
        let mut all = constraints.cloned().unwrap_or_default();
        all.push(json!(["hostname", "CLUSTER", host]));
        spec["constraints"] = all.into();
    }
    !says
}

/// Marathon takes a relative id at the root, and so did the first release.
fn absolute(spec: &mut Map<String, Value>) {
    if let Some(Value::String(id)) = spec.get_mut("id")
        && !id.is_empty()
        && !id.starts_with('/')
    {
        id.insert(0, '/');
    }
}

/// Replaces placeholders in all texts of a document.
fn fill(value: &mut Value, values: &[(&str, String)]) {
    match value {
        Value::String(text) => {
            for (name, with) in values {
                if text.contains(name) {
                    *text = text.replace(name, with);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| fill(v, values)),
        Value::Object(map) => map.values_mut().for_each(|v| fill(v, values)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(spec: Value) -> (bool, Value) {
        let Value::Object(mut map) = spec else {
            panic!("a spec is an object")
        };
        let lacked = keep_a_log(&mut map, "/log");
        (lacked, Value::Object(map))
    }

    #[test]
    fn a_process_without_a_folder_gets_one_and_one_with_it_keeps_its_own() {
        let (lacked, spec) = kept(json!({"cmd": "exec ./observer"}));
        assert!(lacked);
        assert_eq!(spec["env"]["DPLOY_OBSERVER_DATA"], "/log");
        assert_eq!(spec["upgradeStrategy"]["maximumOverCapacity"], 0);
        assert_eq!(spec["healthChecks"][0]["path"], "/healthz");
        for own in [
            json!({"cmd": "exec ./observer", "env": {"DPLOY_OBSERVER_DATA": "/own"}}),
            json!({"cmd": "exec ./observer -data /own"}),
        ] {
            let (lacked, spec) = kept(own.clone());
            assert!(!lacked, "{own}");
            assert_eq!((&spec["env"], &spec["cmd"]), (&own["env"], &own["cmd"]));
            // the next launch must not run beside it
            assert_eq!(spec["upgradeStrategy"]["maximumOverCapacity"], 0);
        }
    }

    #[test]
    fn a_container_gets_the_folder_of_its_agent_mounted() {
        let docker = json!({"image": "mine"});
        let (lacked, spec) = kept(json!({"container": {"docker": docker}}));
        assert!(lacked);
        assert_eq!(spec["container"]["volumes"][0]["hostPath"], ON_NODE);
        assert!(spec["env"].is_null(), "the image has its own: {spec}");
    }
}
