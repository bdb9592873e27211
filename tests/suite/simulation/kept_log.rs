//! Logs that earlier releases wrote, each of a moment at which the observer was killed: every release opens them and goes on.
//! `tests/data/logs/NAME.json` says what it is of, and holds the database and what was outside.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dploy_observer::store::EventFilter;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, Row as _};

use super::acting::block_on;
use super::branch::{Branch, Contents};
use super::clock::StoryClock;
use super::cluster::Cluster;
use super::finding::Check;
use super::github::Github;
use super::incarnation::Kept;
use super::machine::{Machine, Outcome};
use super::outside::Outside;
use super::story::Story;
use crate::support::data_folder::Folder;

/// A log, and what there was when it was left.
#[derive(Serialize, Deserialize)]
pub struct KeptLog {
    /// What is going on.
    pub says: String,
    /// By which check going on fails today; whoever mends that takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails_today: Option<Check>,
    /// What led there; it ends with a kill.
    pub story: Story,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<Left>,
}

/// What there was.
#[derive(Serialize, Deserialize)]
struct Left {
    /// The statements that make the database again.
    database: String,
    micros: u64,
    /// By how many seconds the observer's clock was off.
    off: i64,
    marathon: serde_json::Value,
    github: Github,
    branches: Vec<Branch>,
    contents: Contents,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/logs")
}

/// The names of all.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = entries
        .filter_map(|e| {
            let name = e.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".json").map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

pub fn read(name: &str) -> KeptLog {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Goes on from where a log was left, with nothing more to happen but that all becomes well.
pub fn go_on(name: &str, kept: KeptLog) -> Outcome {
    let left = kept
        .left
        .unwrap_or_else(|| panic!("{name} was never written"));
    let data = Folder::new();
    block_on(async {
        let mut conn = data.raw().await;
        let statements = sqlx::AssertSqlSafe(left.database);
        sqlx::raw_sql(statements).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
    });
    // other chances than before: the same ones would give out ids that are there already
    let seed = !kept.story.seed;
    let clock = Arc::new(StoryClock::default());
    clock.is(Duration::from_micros(left.micros));
    clock.step(left.off);
    let marathon = serde_json::from_value(left.marathon).unwrap();
    let cluster = Cluster::restored(marathon, seed, Arc::clone(&clock));
    let mut github = left.github;
    github.reseed(seed);
    let story = Story {
        acts: Vec::new(),
        ..kept.story
    };
    let outside = Outside::of(seed, clock, cluster, github);
    let mut machine = Machine::over(
        &story,
        Kept::File(data),
        outside,
        left.branches,
        left.contents,
    );
    machine.take_up();
    machine.go_to_the_end()
}

/// Tells the story to the kill at its end, and keeps what is there then.
pub fn write(name: &str) {
    let mut kept = read(name);
    let mut machine = Machine::new(&kept.story, Kept::File(Folder::new()));
    machine.begin();
    while machine.alive.is_some() || machine.next_act < machine.acts.len() {
        machine.happen();
        assert!(
            machine.steps < 5000,
            "{name}: nobody is killed\n{}",
            machine.trace
        );
    }
    println!(
        "{name}:\n{}",
        machine
            .trace
            .lines()
            .rev()
            .take(12)
            .collect::<Vec<_>>()
            .join("\n")
    );
    let Kept::File(data) = &machine.kept else {
        return;
    };
    let database = block_on(dump(data));
    let inside = machine.outside.lock();
    let left = serde_json::json!({
        "database": database,
        "micros": u64::try_from(machine.outside.now().as_micros()).unwrap(),
        "off": machine.outside.clock.off(),
        "marathon": inside.cluster.marathon.state(),
        "github": &inside.github,
        "branches": &machine.branches,
        "contents": &machine.contents,
    });
    kept.left = Some(serde_json::from_value(left).unwrap());
    let text = serde_json::to_string(&kept).unwrap();
    std::fs::write(folder().join(format!("{name}.json")), text + "\n").unwrap();
}

/// The statements that make the database again.
async fn dump(data: &Folder) -> String {
    let mut conn = data.raw().await;
    let mut text = String::from("pragma foreign_keys = off;\nbegin;\n");
    for pragma in ["application_id", "user_version"] {
        let value: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("pragma {pragma}")))
            .fetch_one(&mut conn)
            .await
            .unwrap();
        let _ = writeln!(text, "pragma {pragma} = {value};");
    }
    let made = sqlx::query("select type, name, sql from sqlite_schema where sql is not null and name not like 'sqlite_%'")
        .fetch_all(&mut conn)
        .await
        .unwrap();
    let is_table = |row: &&sqlx::sqlite::SqliteRow| row.get::<String, _>(0) == "table";
    let (tables, others): (Vec<_>, Vec<_>) = made.iter().partition(is_table);
    for row in &tables {
        let _ = writeln!(text, "{};", row.get::<String, _>(2));
    }
    for row in &tables {
        let table: String = row.get(1);
        let columns: Vec<String> =
            sqlx::query(sqlx::AssertSqlSafe(format!("pragma table_info('{table}')")))
                .fetch_all(&mut conn)
                .await
                .unwrap()
                .iter()
                .map(|c| format!("quote(\"{}\")", c.get::<String, _>(1)))
                .collect();
        let select = format!("select {} from \"{table}\"", columns.join(" || ', ' || "));
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(select))
            .fetch_all(&mut conn)
            .await
            .unwrap();
        for row in rows {
            let _ = writeln!(text, "insert into \"{table}\" values ({row});");
        }
    }
    // triggers guard the log from here on
    for row in &others {
        let _ = writeln!(text, "{};", row.get::<String, _>(2));
    }
    text.push_str("commit;\n");
    conn.close().await.unwrap();
    text
}

impl Machine {
    /// The observer starts over a log that is there.
    fn take_up(&mut self) {
        self.start();
        let Some(alive) = &self.alive else { return };
        let all = EventFilter {
            limit: i64::MAX,
            ..EventFilter::default()
        };
        let events = alive.run(alive.context.store.events(&all)).unwrap();
        self.judge.learn(&events);
        let ids = self.contents.values().flatten().map(|w| w.shape.id.clone());
        self.judge.names.extend(ids);
        // what happened before is not known: counts are not judged, and what failed needs another push
        (self.scaled, self.disturbed) = (true, true);
        self.last_act = self.now();
    }
}
