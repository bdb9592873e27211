//! What must be true in the end, however often the observer was killed: of its log, of the ledger of those who pushed,
//! and of what Marathon was told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::kill_bench::{Bench, SERVICES};
use crate::support::kill_sender::{Entry, Ledger, Outcome};
use test_kit::wait::until;

/// How a deploy ends.
pub const ENDS: [&str; 5] = [
    "deploy_succeeded",
    "deploy_unchanged",
    "deploy_superseded",
    "deploy_failed",
    "deploy_cancelled",
];

fn is(event: &Value, kind: &str) -> bool {
    event["kind"] == kind
}

/// Numbers without gaps; every acknowledged push once; every deploy ended once; every call announced before and answered after.
pub fn judge_log(events: &[Value], ledger: &Ledger) {
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(event["seq"], seq, "the log has a gap");
    }
    for (guid, entry) in &ledger.0 {
        judge_push(events, guid, entry);
    }
    let mut deploys: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for event in events.iter().filter(|e| !e["deploy"].is_null()) {
        let number = event["deploy"].as_u64().unwrap();
        deploys.entry(number).or_default().push(event);
    }
    for ((number, story), expected) in deploys.iter().zip(1..) {
        assert_eq!(*number, expected, "the numbers of deploys have a gap");
        judge_deploy(*number, story);
    }
}

fn judge_push(events: &[Value], guid: &str, entry: &Entry) {
    let pushes = || events.iter().filter(|e| is(e, "push_received"));
    let received = pushes()
        .filter(|e| e["payload"]["delivery"] == guid)
        .count();
    let said = &entry.outcomes;
    if said.contains(&Outcome::Queued) {
        assert_eq!(
            received, 1,
            "202 to {guid}, which is in the log {received} times: {entry:?}"
        );
    }
    assert!(
        received <= 1,
        "{guid} is in the log {received} times: {entry:?}"
    );
    if entry.acknowledged() {
        let known = pushes().any(|e| e["payload"]["after"] == entry.push.after.as_str());
        assert!(
            known,
            "2xx to {guid}, whose commit is not in the log: {entry:?}"
        );
    }
    if said.iter().all(|o| *o == Outcome::Refused) {
        assert_eq!(received, 0, "{guid} is in the log and was never sent");
    }
}

fn judge_deploy(number: u64, story: &[&Value]) {
    let kinds: Vec<&str> = story.iter().filter_map(|e| e["kind"].as_str()).collect();
    assert_eq!(kinds[0], "deploy_queued", "#{number}: {kinds:?}");
    let ends: Vec<_> = (0..kinds.len())
        .filter(|i| ENDS.contains(&kinds[*i]))
        .collect();
    assert_eq!(
        ends,
        [kinds.len() - 1],
        "#{number} does not end once: {kinds:?}"
    );
    let end = kinds[kinds.len() - 1];
    let told: Vec<&str> = kinds
        .iter()
        .filter(|k| k.starts_with("apply_"))
        .copied()
        .collect();
    for call in told.chunks(2) {
        let announced = call[0] == "apply_intended";
        let answered = matches!(call.get(1), Some(&("apply_accepted" | "apply_refused")));
        assert!(
            announced && answered,
            "#{number}: a call without intent or answer: {kinds:?}"
        );
    }
    match end {
        "deploy_succeeded" => {}
        "deploy_unchanged" | "deploy_superseded" => {
            assert!(
                told.is_empty(),
                "#{number} touched Marathon and says {end}: {kinds:?}"
            );
        }
        other => panic!("#{number} ended with {other}: {}", story[kinds.len() - 1]),
    }
}

/// Marathon keeps so many versions of an app (its flag `zk_max_versions`).
const VERSIONS: usize = 50;

/// The specs that Marathon accepted, by service: in the log's order, with the version each became.
fn accepted(events: &[Value]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut intents: BTreeMap<u64, &Value> = BTreeMap::new();
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for event in events {
        let Some(deploy) = event["deploy"].as_u64() else {
            continue;
        };
        if is(event, "apply_intended") {
            intents.insert(deploy, &event["payload"]);
        }
        if is(event, "apply_accepted") {
            let version = event["payload"]["version"].as_str().unwrap_or_default();
            let intent = intents[&deploy];
            assert_eq!(
                intent["call"], "put",
                "nothing but PUT is needed here: {intent}"
            );
            for service in intent["services"].as_array().unwrap() {
                let (id, spec) = (&service["id"], &service["spec"]);
                let id = id.as_str().unwrap().to_owned();
                let spec = spec.as_str().unwrap().to_owned();
                found
                    .entry(id)
                    .or_default()
                    .push((spec, version.to_owned()));
            }
        }
    }
    found
}

/// Marathon was told exactly what the log says, each spec once, and no task was started twice for one.
pub async fn judge_marathon(bench: &Bench, events: &[Value]) {
    let accepted = accepted(events);
    for (id, instances) in SERVICES {
        let told = versions(bench, id).await;
        let specs: BTreeSet<&String> = told.iter().map(|(spec, _)| spec).collect();
        assert_eq!(
            specs.len(),
            told.len(),
            "{id}: a spec took effect twice: {told:?}"
        );
        let mut logged = accepted.get(id).cloned().unwrap_or_default();
        if told.len() == VERSIONS {
            logged.drain(..logged.len().saturating_sub(VERSIONS));
        }
        // each change that Marathon made is in the log once, under its version, and nothing else is
        let differs = told.iter().zip(&logged).find(|(was, says)| was != says);
        assert_eq!(
            differs, None,
            "{id}: what Marathon was told, what the log says"
        );
        assert_eq!(
            told.len(),
            logged.len(),
            "{id}: changes at Marathon, in the log"
        );
        judge_starts(bench, id, instances).await;
        let app = marathon(bench, &format!("/v2/apps{id}")).await;
        let revision = format!("echo {id} {} ", bench.revisions[id]);
        let cmd = app["app"]["cmd"].as_str().unwrap_or_default();
        assert!(
            cmd.starts_with(&revision),
            "{id} runs {cmd}, not {revision}"
        );
    }
}

async fn marathon(bench: &Bench, path: &str) -> Value {
    let url = format!("{}{path}", bench.marathon.url());
    bench.json(&url).await.unwrap()
}

/// Spec and version of everything that Marathon was ever told of a service, oldest first.
async fn versions(bench: &Bench, id: &str) -> Vec<(String, String)> {
    let list = marathon(bench, &format!("/v2/apps{id}/versions")).await;
    let mut found = Vec::new();
    for version in list["versions"].as_array().unwrap() {
        let version = version.as_str().unwrap();
        let app = marathon(bench, &format!("/v2/apps{id}/versions/{version}")).await;
        let label = app["labels"]["DPLOY_SPEC"].as_str().unwrap_or_default();
        let spec = label.strip_prefix("1:").unwrap_or_default();
        found.push((spec.to_owned(), version.to_owned()));
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

async fn judge_starts(bench: &Bench, id: &str, instances: usize) {
    let last = format!("{id} {}", bench.revisions[id]);
    until("the tasks of the head", async || {
        match bench.starts().get(&last) {
            Some(n) if *n >= instances => Ok(()),
            other => Err(format!("{last}: {other:?}")),
        }
    })
    .await;
    let starts = bench.starts();
    let of_service = starts
        .iter()
        .filter(|(what, _)| what.starts_with(&format!("{id} ")));
    for (what, count) in of_service {
        assert!(
            *count <= instances,
            "{what} was started {count} times: {starts:?}"
        );
    }
}

/// GitHub's own deliveries keep a ledger too, and there is one webhook, however often it was about to be made.
pub async fn judge_hooks(bench: &Bench, events: &[Value]) {
    bench.github.settle().await;
    let hooks = bench.repository("hooks").await;
    let hooks = hooks.as_array().unwrap();
    assert_eq!(hooks.len(), 1, "{hooks:?}");
    let list = format!("hooks/{}/deliveries?per_page=100", hooks[0]["id"]);
    let list = bench.repository(&list).await;
    let queued = |d: &&Value| d["event"] == "push" && d["status_code"] == 202;
    for delivery in list.as_array().unwrap().iter().filter(queued) {
        let same =
            |e: &&Value| is(e, "push_received") && e["payload"]["delivery"] == delivery["guid"];
        let received = events.iter().filter(same).count();
        assert_eq!(
            received, 1,
            "202 to GitHub's delivery, in the log {received} times: {delivery}"
        );
    }
}
