//! Events of every version stay readable for ever: `tests/data/events/` keeps one of each, and together they are a log.

use std::collections::BTreeSet;
use std::path::Path;

use dploy_observer::event::{Event, Fact, GENESIS};
use dploy_observer::store;
use serde::Deserialize;
use serde_json::value::RawValue;
use sqlx::Connection;

use crate::support::data_folder::{Folder, close};

/// One line of `/events.jsonl`.
#[derive(Deserialize)]
struct Line {
    seq: i64,
    at: String,
    app: Option<dploy_observer::id::AppId>,
    kind: String,
    version: i64,
    actor: String,
    deploy: Option<dploy_observer::id::DeployNumber>,
    dedup: Option<String>,
    payload: Box<RawValue>,
    prev_hash: String,
    hash: String,
}

/// The fixtures in the order of the log, with the texts of their files.
fn fixtures() -> Vec<(String, Event)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/events");
    let mut all: Vec<(String, Event)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let line: Line = serde_json::from_str(&text).unwrap();
            let file = format!("{}.{}.json", line.kind, line.version);
            assert_eq!(path.file_name().unwrap().to_str().unwrap(), file);
            let event = Event {
                seq: line.seq,
                at: line.at,
                app: line.app,
                kind: line.kind,
                version: line.version,
                actor: line.actor,
                deploy: line.deploy,
                dedup: line.dedup,
                payload: line.payload,
                prev_hash: line.prev_hash,
                hash: line.hash,
            };
            (text, event)
        })
        .collect();
    all.sort_by_key(|(_, event)| event.seq);
    all
}

#[test]
fn every_kind_of_event_has_a_fixture_and_a_row_in_the_document() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let architecture = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let newest = |e: &Event| e.version == Fact::newest_version(&e.kind);
    let all = fixtures().into_iter().map(|(_, e)| e);
    let kept: BTreeSet<String> = all.filter(newest).map(|e| e.kind).collect();
    assert!(Fact::KINDS.len() > 30, "{:?}", Fact::KINDS);
    for kind in Fact::KINDS {
        assert!(
            kept.contains(*kind),
            "{kind} has no fixture: write one into the log, and its line of /events.jsonl into tests/data/events/"
        );
        assert!(
            architecture.contains(&format!("\n| `{kind}` |")),
            "{kind} is not in the table of events in ARCHITECTURE.md"
        );
    }
    for kind in kept {
        assert!(
            Fact::KINDS.contains(&kind.as_str()),
            "{kind} cannot be read any more"
        );
    }
}

#[test]
fn every_fixture_is_decoded_and_encoded_to_the_same_bytes() {
    for (text, event) in fixtures() {
        let fact = event.fact().unwrap();
        let (kind, version, payload) = fact.encode();
        assert_eq!(serde_json::to_string(&event).unwrap() + "\n", text);
        // an older version is read, and written as the newest one
        if event.version == Fact::newest_version(&kind) {
            assert_eq!(
                (kind.as_str(), version),
                (event.kind.as_str(), event.version)
            );
            assert_eq!(payload, event.payload.get(), "{kind}");
        }
    }
}

#[test]
fn the_hashes_of_the_fixtures_never_change() {
    let mut before = GENESIS.to_owned();
    for (_, event) in fixtures() {
        assert_eq!(event.prev_hash, before, "event {}", event.seq);
        assert_eq!(event.computed_hash(), event.hash, "event {}", event.seq);
        before = event.hash;
    }
}

#[tokio::test]
async fn a_log_of_an_older_release_is_opened_folded_and_verified() {
    let folder = Folder::new();
    close(folder.open().await).await;
    let mut conn = folder.raw().await;
    for (text, _) in fixtures() {
        sqlx::query(
            "insert into event select line ->> 'seq', line ->> 'at', line ->> 'app', line ->> 'kind', \
             line ->> 'version', line ->> 'actor', line ->> 'deploy', line ->> 'dedup', line -> 'payload', \
             line ->> 'prev_hash', line ->> 'hash' from (select ? as line)",
        )
        .bind(text)
        .execute(&mut conn)
        .await
        .unwrap();
    }
    conn.close().await.unwrap();
    let count = i64::try_from(fixtures().len()).unwrap();
    assert_eq!(store::rebuild(folder.path()).await.unwrap(), count);
    let report = folder.verify().await;
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!(report.events, count);
    close(folder.open().await).await;
}
