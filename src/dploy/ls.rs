//! `dploy ls`: what the descriptor and the specs describe.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::session::Session;
use crate::spec::Service;

/// What `-all` adds to a row of `ls` and `ps`.
pub(super) const MORE: [&str; 4] = ["CPUS", "MEM (MiB)", "IMAGE", "CMD"];

/// What a narrow cell shows of a command.
const CUT: usize = 40;

pub(super) fn run(session: &Session) -> anyhow::Result<ExitCode> {
    let workspace = session.workspace()?;
    let services = workspace.services()?;
    if session.terminal.json {
        let list: Vec<Value> = services
            .iter()
            .map(|s| json!({"id": s.id, "file": s.path, "instances": s.instances, "spec_hash": s.hash, "spec": s.spec}))
            .collect();
        session
            .terminal
            .data(&json!({"app": workspace.app, "services": list}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let terminal = session.terminal;
    let head = ["SERVICE", "FILE", "INSTANCES"];
    if session.global.all {
        let marathon = &session.global.marathon_url;
        let marathon = marathon
            .as_ref()
            .or(workspace.descriptor.marathon_url.as_ref());
        terminal.say(format!("app       {}", workspace.app));
        terminal.say(format!(
            "Marathon  {}",
            marathon.map_or("not named", String::as_str)
        ));
        for group in groups(&services) {
            terminal.say(format!("group     {group}"));
        }
        terminal.say("");
        let rows = services
            .iter()
            .map(|s| [row(s), more(&s.spec, usize::MAX).to_vec()].concat());
        terminal.table(&[&head[..], &MORE].concat(), rows.collect());
    } else {
        let rows = services
            .iter()
            .map(|s| [row(s), vec![runs(&s.spec)]].concat());
        terminal.table(&[&head[..], &["RUNS"]].concat(), rows.collect());
    }
    terminal.hint("Now `dploy dryrun` shows what would change, `dploy ps` what runs.");
    Ok(ExitCode::SUCCESS)
}

fn row(service: &Service) -> Vec<String> {
    let instances = service.instances.map_or("1".to_owned(), |n| n.to_string());
    vec![service.id.to_string(), service.path.clone(), instances]
}

/// The image, or the first line of the command.
fn runs(spec: &Value) -> String {
    let [_, _, image, cmd] = more(spec, CUT);
    if image == "-" { cmd } else { image }
}

/// What [`MORE`] names, of a spec or of Marathon's definition; a command is cut after so many characters.
pub(super) fn more(spec: &Value, cut: usize) -> [String; 4] {
    let number = |key: &str| match &spec[key] {
        Value::Number(n) => n.to_string(),
        _ => "-".to_owned(),
    };
    let image = spec
        .pointer("/container/docker/image")
        .and_then(Value::as_str);
    let words = spec["args"].as_array().map(|args| {
        let words: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
        words.join(" ")
    });
    let cmd = spec["cmd"].as_str().map(str::to_owned).or(words);
    let cmd = cmd.unwrap_or_else(|| "-".to_owned());
    let mut first = cmd.lines().next().unwrap_or_default().to_owned();
    if first.chars().count() > cut {
        first = first.chars().take(cut - 1).chain(['…']).collect();
    }
    [
        number("cpus"),
        number("mem"),
        image.unwrap_or("-").to_owned(),
        first,
    ]
}

/// The groups that the ids stand in, the outer ones first.
fn groups(services: &[Service]) -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    for service in services {
        let mut id = service.id.as_str();
        while let Some((group, _)) = id.rsplit_once('/').filter(|(g, _)| !g.is_empty()) {
            groups.insert(group.to_owned());
            id = group;
        }
    }
    groups
}
