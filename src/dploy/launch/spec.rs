//! What Marathon is told to run: a template with what is known here filled in. What it sets itself stays.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::Launch;
use crate::dploy::session::LABEL;
use crate::secret::Secret;

/// For Docker: what a cluster runs.
const DOCKER: &str = include_str!("../../../observer.json");

/// For a Marathon whose tasks are processes of this machine.
const PROCESS: &str = include_str!("../observer-process.json");

impl Launch<'_> {
    /// The template, filled in.
    pub(super) async fn spec(&self) -> anyhow::Result<Value> {
        let local = self.marathon.client.local_info().await?;
        let (text, file) = match (&self.args.observer_spec, &local) {
            (Some(file), _) => {
                let shown = file.display().to_string();
                let text =
                    std::fs::read_to_string(file).with_context(|| format!("reading {shown}"))?;
                (text, shown)
            }
            (None, Some(_)) => (PROCESS.to_owned(), "the built-in spec".to_owned()),
            (None, None) => (DOCKER.to_owned(), "the built-in spec".to_owned()),
        };
        let volumes = local
            .as_ref()
            .and_then(|l| l["volumes"].as_str())
            .unwrap_or_default();
        let data = Path::new(volumes)
            .join("dploy-observer")
            .display()
            .to_string();
        let image = self.args.observer_image.clone().unwrap_or_default();
        let name = &self.github.name;
        let values = [
            ("<DPLOY_PUBLIC_NODE>", self.node.to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_PAT>", self.pat.expose().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_OWNER>", name.owner().to_owned()),
            ("<DPLOY_OBSERVER_GITHUB_REPO>", name.name().to_owned()),
            ("<DPLOY_OBSERVER_DATA>", data),
            ("<DPLOY_OBSERVER_IMAGE>", image),
        ];
        if text.contains("<DPLOY_OBSERVER_IMAGE>") && values[5].1.is_empty() {
            bail!(
                "which image is the observer's? Build it with `docker build -t <registry>/dploy-observer .`, push it, and name it with -observer-image"
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
        for key in ["env", "labels"] {
            let part = map.entry(key).or_insert_with(|| json!({}));
            let Some(part) = part.as_object_mut() else {
                bail!("{file}:1:1: {key} of the observer's spec is no JSON object");
            };
            match key {
                "env" => self.environment(part, local.is_some()),
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
        Ok(spec)
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
        // inside of DC/OS Marathon is found by Mesos-DNS, and needs no login; behind a tunnel its address is ours alone
        let reached = reqwest::Url::parse(&self.marathon.url).is_ok_and(|u| {
            let here = matches!(u.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
            u.path() == "/" && !here
        });
        if local || reached {
            add("DPLOY_MARATHON_URL", self.marathon.url.clone());
            let set = &self.session.global;
            let secret = |given: &Option<Secret>| given.as_ref().map(|s| s.expose().to_owned());
            for (name, value) in [
                ("DPLOY_MARATHON_USER", set.marathon_user.clone()),
                ("DPLOY_MARATHON_PASSWORD", secret(&set.marathon_password)),
                ("DPLOY_MARATHON_TOKEN", secret(&set.marathon_token)),
            ] {
                if let Some(value) = value.filter(|v| !v.is_empty()) {
                    add(name, value);
                }
            }
        }
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
