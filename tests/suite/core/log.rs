//! What the log promises, tried on real files: it only grows, it is answered for, and damage is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dploy_observer::access::{Person, Role};
use dploy_observer::clock::Clock;
use dploy_observer::event::{Call, Event, Fact, GENESIS, PAYLOAD_LIMIT, Planned};
use dploy_observer::history::{Answer, Command, Push};
use dploy_observer::id::{BlobId, DeployNumber};
use dploy_observer::store::{self, Store};
use futures_util::future::{join, join_all};
use serde_json::value::RawValue;
use sqlx::{Connection, SqliteConnection};

use crate::support::data_folder::{
    Folder, GITHUB, OBSERVER, OPERATOR, apply_accepted, apply_intended, ask, close, commit, events,
    lock, name, outcome, plan_made, push, pushed, register, report, rollback, service, source,
    specs_read, succeeded, target, tell,
};

/// A clock that breaks on demand, and with it who asks.
#[derive(Default)]
struct Brittle(AtomicBool);

impl Clock for Brittle {
    fn now(&self) -> jiff::Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "the clock is broken");
        jiff::Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test]
async fn a_writer_that_panics_is_fatal_and_nothing_is_written_any_more() {
    let folder = Folder::new();
    let clock = Arc::new(Brittle::default());
    let (says, mut said) = tokio::sync::mpsc::unbounded_channel();
    let fatal = Arc::new(move |why: &str| says.send(why.to_owned()).unwrap());
    let store = Store::open(folder.path(), clock.clone(), fatal)
        .await
        .unwrap();
    clock.0.store(true, Ordering::SeqCst);
    let shop = name("shop");
    let answer = ask(&store, &shop, OPERATOR, None, register(&shop, 1)).await;
    assert!(answer.is_err(), "{answer:?}");
    let why = said.recv().await.unwrap();
    assert!(why.contains("the writer of the log panicked"), "{why}");
    let ready = store.log().ping().await;
    assert!(ready.unwrap_err().to_string().contains("has stopped"));
}

const SPEC: &[u8] = br#"{"id":"/shop/web","cmd":"sleep 1000"}"#;

/// A life with something in every table: two apps, pushes, deploys that succeed and fail, a service, a blob, a lock.
async fn fill(store: &Store) {
    let (shop, blog, web) = (name("shop"), name("blog"), service("/shop/web"));
    let specs = vec![(BlobId::of(SPEC), SPEC.to_vec())];
    store.log().keep_blobs(specs).await.unwrap();
    tell(store, &shop, OPERATOR, register(&shop, 1)).await;
    tell(store, &blog, OPERATOR, register(&blog, 1)).await;
    tell(store, &shop, OBSERVER, Command::Start(DeployNumber(1))).await;
    let facts = vec![
        specs_read(&commit(1)),
        plan_made(&web, 1),
        apply_intended(&web, 1, Call::Put),
        apply_accepted(&web, Call::Put),
        succeeded(&web, 1),
    ];
    tell(store, &shop, OBSERVER, report(1, facts)).await;
    let first = ask(store, &shop, GITHUB, Some("guid-1"), pushed(1, 2)).await;
    assert_eq!(first.unwrap(), Answer::Queued(DeployNumber(2)));
    tell(store, &shop, OPERATOR, rollback(1)).await;
    tell(
        store,
        &blog,
        OPERATOR,
        lock("the checkout is broken tonight"),
    )
    .await;
    tell(store, &blog, GITHUB, pushed(1, 2)).await;
}

/// A closed folder with that life in it.
async fn filled() -> Folder {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(&store).await;
    close(store).await;
    folder
}

async fn wrong(folder: &Folder) -> String {
    folder.verify().await.wrong.join("\n")
}

async fn count(conn: &mut SqliteConnection) -> i64 {
    let count = sqlx::query_scalar("select count(*) from event");
    count.fetch_one(conn).await.unwrap()
}

// it is a chain

#[tokio::test]
async fn what_was_appended_reads_back_in_order_and_chained() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(&store).await;
    let log = events(&store).await;
    assert!(log.len() > 15, "{}", log.len());
    let mut before = GENESIS;
    for (event, seq) in log.iter().zip(1..) {
        assert_eq!(event.seq, seq);
        assert_eq!(event.prev_hash, before);
        assert_eq!(event.hash, event.computed_hash());
        assert!(event.fact().is_ok());
        before = &event.hash;
    }
    assert_eq!(log[0].kind, "app_registered");
    assert_eq!(log[0].actor, OPERATOR);
    assert_eq!(*store.head().borrow(), log.last().unwrap().seq);
    close(store).await;
    let report = folder.verify().await;
    assert_eq!(report.wrong, Vec::<String>::new());
    assert_eq!((report.head.as_str(), report.blobs), (before, 1));
}

#[tokio::test]
async fn a_log_that_is_opened_again_goes_on_where_it_stopped() {
    let folder = filled().await;
    let store = folder.open().await;
    let before = events(&store).await;
    let (shop, blog) = (name("shop"), name("blog"));
    assert_eq!(
        tell(&store, &shop, GITHUB, pushed(2, 3)).await,
        Answer::Queued(DeployNumber(4))
    );
    assert!(matches!(
        tell(&store, &blog, GITHUB, pushed(2, 3)).await,
        Answer::Held(_)
    ));
    let again = ask(&store, &shop, GITHUB, Some("guid-1"), pushed(1, 2)).await;
    assert_eq!(again.unwrap(), Answer::Duplicate);
    let after = events(&store).await;
    assert_eq!(after[before.len()].prev_hash, before.last().unwrap().hash);
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

// it only grows

#[tokio::test]
async fn no_statement_changes_removes_or_displaces_an_event() {
    let folder = filled().await;
    let mut conn = folder.raw().await;
    let before = count(&mut conn).await;
    let (changed, deleted, order) = (
        "an event is never changed",
        "an event is never deleted",
        "an event is appended at the end, once",
    );
    let rest = "at, app, kind, version, actor, deploy, null, payload";
    let tip = "(select hash from event order by seq desc limit 1), hash from event where seq = 1";
    let end = "select (select max(seq) + 1 from event)";
    let refused = [
        (
            "update event set payload = '{}' where seq = 1".to_owned(),
            changed,
        ),
        (
            "update or replace event set seq = 1 where seq = 2".to_owned(),
            changed,
        ),
        ("delete from event where seq = 1".to_owned(), deleted),
        ("delete from event".to_owned(), deleted),
        (
            format!("insert into event select 1000, {rest}, {tip}"),
            order,
        ),
        (format!("insert into event select 1, {rest}, {tip}"), order),
        (
            format!("insert or replace into event select 1, {rest}, {tip}"),
            order,
        ),
        (format!("replace into event select 1, {rest}, {tip}"), order),
        (
            format!("insert into event {end}, {rest}, prev_hash, hash from event where seq = 1"),
            order,
        ),
        (
            format!(
                "insert or replace into event {end}, {}, {}",
                rest.replace("null", "dedup"),
                tip.replace("seq = 1", "dedup = 'guid-1'")
            ),
            order,
        ),
        (
            format!(
                "insert into event {end}, {}, {tip}",
                rest.replace("payload", "'no JSON'")
            ),
            "CHECK constraint failed",
        ),
    ];
    for (statement, why) in refused {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.clone()))
            .execute(&mut conn)
            .await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(why), "{statement}: {error}");
    }
    // what is refused above is refused for its own reason: in order, it is taken
    let append = sqlx::AssertSqlSafe(format!("insert into event {end}, {rest}, {tip}"));
    let mut attempt = conn.begin().await.unwrap();
    sqlx::raw_sql(append).execute(&mut *attempt).await.unwrap();
    attempt.rollback().await.unwrap();
    assert_eq!(count(&mut conn).await, before);
    conn.close().await.unwrap();
    assert_eq!(wrong(&folder).await, "");
}

// damage is seen

#[tokio::test]
async fn a_changed_event_is_found_whatever_column_was_changed() {
    let folder = filled().await;
    let changes = [
        "at = '2026-11-22T09:00:00.000000Z'",
        "app = 'ship'",
        "app = null",
        "kind = 'deploy_started'",
        "version = 2",
        "actor = 'operator:eve'",
        "deploy = 9",
        "dedup = 'guid-2'",
        "payload = replace(payload, '2222222', '3222222')",
        "payload = ' ' || payload",
        "prev_hash = printf('%064d', 0)",
        "hash = printf('%064d', 0)",
    ];
    for change in changes {
        let copy = folder.copy();
        let nth = "where seq = (select seq from event where dedup = 'guid-1')";
        copy.damage(&format!("update event set {change} {nth}"))
            .await;
        let report = wrong(&copy).await;
        assert!(report.starts_with("event "), "{change}: {report}");
    }
}

#[tokio::test]
async fn a_missing_event_is_found_at_the_end_too() {
    let folder = filled().await;
    let middle = folder.copy();
    middle.damage("delete from event where seq = 5").await;
    let report = wrong(&middle).await;
    assert!(
        report.contains("event 6 follows event 4: some are missing"),
        "{report}"
    );
    let end = folder.copy();
    end.damage("delete from event where seq = (select max(seq) from event)")
        .await;
    let report = wrong(&end).await;
    assert!(report.contains("of the table app differ"), "{report}");
}

#[tokio::test]
async fn an_event_that_was_changed_together_with_its_hash_breaks_the_chain() {
    let folder = filled().await;
    let store = folder.open().await;
    let mut forged = events(&store).await.swap_remove(4);
    close(store).await;
    forged.actor = "operator:eve".to_owned();
    let change = format!(
        "actor = '{}', hash = '{}'",
        forged.actor,
        forged.computed_hash()
    );
    folder
        .damage(&format!("update event set {change} where seq = 5"))
        .await;
    assert_eq!(
        wrong(&folder).await,
        "event 6 does not follow the event before it: prev_hash differs"
    );
}

#[tokio::test]
async fn a_flipped_bit_within_a_payload_is_found() {
    let folder = filled().await;
    let needle = b"the checkout is broken tonight\",\"head\"";
    let bytes = std::fs::read(folder.database()).unwrap();
    let places: Vec<usize> = bytes
        .windows(needle.len())
        .enumerate()
        .filter(|(_, window)| window == needle)
        .map(|(at, _)| at + 4)
        .collect();
    assert!(!places.is_empty());
    // the lowest bit makes another letter, the highest no letter at all
    for bit in [0x01, 0x80] {
        let copy = folder.copy();
        let mut damaged = bytes.clone();
        for place in &places {
            damaged[*place] ^= bit;
        }
        std::fs::write(copy.database(), damaged).unwrap();
        let report = wrong(&copy).await;
        assert!(report.contains("event"), "{bit:x}: {report}");
        assert!(
            report.contains("changed") || report.contains("damaged"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_changed_blob_is_found() {
    let folder = filled().await;
    folder
        .damage("update blob set data = cast('x' || data as blob)")
        .await;
    let report = wrong(&folder).await;
    assert!(
        report.contains(&format!("blob {} was changed", BlobId::of(SPEC))),
        "{report}"
    );
}

#[tokio::test]
async fn a_damaged_projection_is_found_and_rebuild_repairs_it() {
    let folder = filled().await;
    let damages = [
        (
            "app",
            "update app set state = replace(state, 'tonight', 'today')",
        ),
        ("app", "update app set state = substr(state, 2)"),
        ("app", "update app set state = cast(x'ff' || state as text)"),
        ("app", "update app set repository_id = 1 where id = 'shop'"),
        ("app", "update app set destroyed = 1 where id = 'shop'"),
        (
            "app",
            "update app set public = 1 - public where id = 'shop'",
        ),
        ("app", "delete from app where id = 'blog'"),
        (
            "app",
            "insert into app select 'ghost', 1, branch, 0, state, 0 from app limit 1",
        ),
        (
            "deploy",
            "update deploy set data = replace(data, 'queued', 'failed')",
        ),
        (
            "deploy",
            "update deploy set state = 'failed' where number = 1",
        ),
        (
            "deploy",
            "update deploy set commit_id = printf('%040d', 0) where number = 1",
        ),
        ("deploy", "delete from deploy where number = 1"),
        ("push", "update push set outcome = 'ignored'"),
        ("push", "update push set commit_id = printf('%040d', 0)"),
        ("push", "update push set body = 'seen'"),
        (
            "service",
            "update service set data = replace(data, 'false', 'true')",
        ),
        ("service", "delete from service"),
    ];
    for (table, damage) in damages {
        let copy = folder.copy();
        copy.damage(damage).await;
        let report = wrong(&copy).await;
        assert!(
            report.contains(&format!("of the table {table} differ")),
            "{damage}: {report}"
        );
        store::rebuild(copy.path()).await.unwrap();
        assert_eq!(wrong(&copy).await, "", "{damage}");
    }
}

#[tokio::test]
async fn the_token_of_the_settings_is_one_and_takes_no_name_of_somebody() {
    let folder = Folder::new();
    let store = folder.open().await;
    let names = async |store: &store::Store| {
        let tokens = store.tokens().await.unwrap();
        let names = tokens.into_iter().map(|t| t.person.name);
        names.collect::<Vec<_>>().join(" ")
    };
    store.put_settings_token("operator", "one").await.unwrap();
    let ana = store::NewToken {
        person: Person {
            name: "ana".to_owned(),
            role: Role::Viewer,
            apps: None,
            proof: None,
        },
        hash: "hers".to_owned(),
        expires_at: None,
    };
    store.add_token(ana.clone()).await.unwrap();
    assert!(store.add_token(ana).await.is_err(), "it is hers");
    // the same token under another name, and another token
    store.put_settings_token("mh", "one").await.unwrap();
    assert_eq!(names(&store).await, "ana mh");
    store.put_settings_token("mh", "two").await.unwrap();
    assert!(store.token("one").await.unwrap().is_none());
    let refused = store.put_settings_token("ana", "three").await;
    assert!(matches!(refused, Err(store::StoreError::Exists(_))));
    assert_eq!(names(&store).await, "ana mh");
    // by itself nobody could make another
    let last = store.drop_token("mh", false).await;
    assert!(matches!(last, Err(store::StoreError::LastAdmin(_))));
    store.drop_token("mh", true).await.unwrap();
    assert_eq!(names(&store).await, "ana");
    close(store).await;
}

#[tokio::test]
async fn rebuild_leaves_alone_what_is_no_projection() {
    let folder = Folder::new();
    let store = folder.open().await;
    fill(&store).await;
    store.put_settings_token("mh", "hash").await.unwrap();
    let secret = store.make_hook_secret(7).await.unwrap();
    store.observe(&name("shop"), "etag", "W/1").await.unwrap();
    close(store).await;
    store::rebuild(folder.path()).await.unwrap();
    let store = folder.open().await;
    assert_eq!(
        store.token("hash").await.unwrap().unwrap().person.name,
        "mh"
    );
    assert!(store.hook_secrets(7).await.unwrap() == [secret]);
    assert_eq!(
        store
            .observed(&name("shop"), "etag")
            .await
            .unwrap()
            .unwrap()
            .0,
        "W/1"
    );
    assert_eq!(
        store.blob(&BlobId::of(SPEC)).await.unwrap().as_deref(),
        Some(SPEC)
    );
}

// whose file it is

#[tokio::test]
async fn a_second_observer_on_the_folder_is_refused() {
    let folder = Folder::new();
    let store = folder.open().await;
    let refusal = folder.refusal().await;
    assert!(refusal.starts_with("another observer uses /"), "{refusal}");
    assert!(refusal.contains("DPLOY_OBSERVER_DATA"), "{refusal}");
    for refused in [
        store::verify(folder.path()).await.map(|_| ()),
        store::rebuild(folder.path()).await.map(|_| ()),
    ] {
        assert_eq!(refused.unwrap_err().to_string(), refusal);
    }
    // and the first one is none the worse
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    close(store).await;
    close(folder.open().await).await;
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_not_touched() {
    let statements = [
        "pragma application_id = 42; create table note (text text)",
        "pragma application_id = 42",
        "create table event (text text)",
    ];
    let mut folders = Vec::new();
    for statement in statements {
        let folder = Folder::new();
        let mut conn = folder.raw().await;
        sqlx::raw_sql(statement).execute(&mut conn).await.unwrap();
        conn.close().await.unwrap();
        folders.push(folder);
    }
    for text in ["shopping list: milk\n".repeat(200), "milk".to_owned()] {
        let folder = Folder::new();
        std::fs::write(folder.database(), text).unwrap();
        folders.push(folder);
    }
    for folder in folders {
        let before = std::fs::read(folder.database()).unwrap();
        let refusal = folder.refusal().await;
        assert!(
            refusal.contains("is not a log of the observer: it belongs to another program"),
            "{refusal}"
        );
        assert_eq!(
            store::verify(folder.path()).await.unwrap_err().to_string(),
            refusal
        );
        assert!(std::fs::read(folder.database()).unwrap() == before);
    }
}

/// An event as a newer release might have written it, at the end of the log.
async fn append_raw(folder: &Folder, change: impl FnOnce(&mut Event)) -> i64 {
    let store = folder.open().await;
    let last = events(&store).await.pop().unwrap();
    close(store).await;
    let mut event = Event {
        seq: last.seq + 1,
        prev_hash: last.hash.clone(),
        dedup: None,
        ..last
    };
    change(&mut event);
    event.hash = event.computed_hash();
    let mut conn = folder.raw().await;
    sqlx::query("insert into event values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(event.seq)
        .bind(&event.at)
        .bind(event.app.as_ref().map(|a| a.as_str().to_owned()))
        .bind(&event.kind)
        .bind(event.version)
        .bind(&event.actor)
        .bind(event.deploy.map(|d| d.0))
        .bind(&event.dedup)
        .bind(event.payload.get())
        .bind(&event.prev_hash)
        .bind(&event.hash)
        .execute(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    event.seq
}

#[tokio::test]
async fn an_event_of_a_newer_release_refuses_the_start() {
    let folder = filled().await;
    let unknown = folder.copy();
    let seq = append_raw(&unknown, |event| {
        event.kind = "moon_landed".to_owned();
        event.payload = RawValue::from_string("{}".to_owned()).unwrap();
    })
    .await;
    let newer = folder.copy();
    append_raw(&newer, |event| event.version = 2).await;
    let (unknown_kind, newer_version) = (unknown.refusal().await, newer.refusal().await);
    let expected = format!("event {seq} is a moon_landed of version 1, which this release (");
    assert!(unknown_kind.starts_with(&expected), "{unknown_kind}");
    assert!(newer_version.contains("of version 2"), "{newer_version}");
    for (folder, refusal) in [(unknown, unknown_kind), (newer, newer_version)] {
        assert!(refusal.ends_with("start the release that wrote it, or a newer one"));
        assert_eq!(
            store::verify(folder.path()).await.unwrap_err().to_string(),
            refusal
        );
        assert_eq!(
            store::rebuild(folder.path()).await.unwrap_err().to_string(),
            refusal
        );
    }
}

#[tokio::test]
async fn a_log_that_a_newer_release_migrated_refuses_the_start() {
    let folder = filled().await;
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'the future', 1, x'00', 0)";
    folder.damage(newer).await;
    let refusal = folder.refusal().await;
    assert!(
        refusal.contains("cannot be brought to this release"),
        "{refusal}"
    );
    assert!(
        refusal.contains("start the release that wrote it"),
        "{refusal}"
    );
}

// what was answered is written

#[tokio::test]
async fn pushes_that_come_at_once_share_a_commit_and_each_is_written_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let apps: Vec<_> = (0..8).map(|n| name(&format!("app-{n}"))).collect();
    for app in &apps {
        tell(&store, app, OPERATOR, register(app, 0)).await;
    }
    let before = *store.head().borrow();
    let pushes = (0..64_u8).map(|n| {
        let (app, round) = (&apps[usize::from(n % 8)], n / 8);
        let (store, guid) = (&store, format!("guid-{n}"));
        async move { ask(store, app, GITHUB, Some(&guid), pushed(round, round + 1)).await }
    });
    for answer in join_all(pushes).await {
        assert!(matches!(answer.unwrap(), Answer::Queued(_)));
    }
    let written = events(&store)
        .await
        .split_off(usize::try_from(before).unwrap());
    let guids: Vec<&str> = written.iter().filter_map(|e| e.dedup.as_deref()).collect();
    assert_eq!(guids.len(), 64);
    assert_eq!(guids.iter().collect::<BTreeSet<_>>().len(), 64);
    let stamps: BTreeSet<&str> = written.iter().map(|e| e.at.as_str()).collect();
    assert_eq!(stamps.len(), 1, "one transaction, one time: {stamps:?}");
    // seven of the eight deploys of each app were overtaken within the batch
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for event in &written {
        *kinds.entry(event.kind.as_str()).or_default() += 1;
    }
    let expected = [
        ("deploy_queued", 64),
        ("deploy_superseded", 64),
        ("push_received", 64),
    ];
    assert_eq!(kinds, BTreeMap::from(expected));
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_from_many_threads_are_all_answered_and_written_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let apps: Vec<_> = (0..8).map(|n| name(&format!("app-{n}"))).collect();
    for app in &apps {
        tell(&store, app, OPERATOR, register(app, 0)).await;
    }
    let tasks: Vec<_> = (0..64_u8)
        .map(|n| {
            let (store, app) = (store.clone(), apps[usize::from(n % 8)].clone());
            let guid = format!("guid-{n}");
            let push = pushed(0, n / 8 + 1);
            tokio::spawn(async move { ask(&store, &app, GITHUB, Some(&guid), push).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap().unwrap(), Answer::Queued(_)));
    }
    let log = events(&store).await;
    let guids: BTreeSet<&str> = log.iter().filter_map(|e| e.dedup.as_deref()).collect();
    let received = log.iter().filter(|e| e.kind == "push_received").count();
    assert_eq!((guids.len(), received), (64, 64 + 8));
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_at_that_instant() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 0)).await;
    for after in 1..6 {
        let guid = format!("guid-{after}");
        let push = pushed(after - 1, after);
        ask(&store, &shop, GITHUB, Some(&guid), push).await.unwrap();
        let left = folder.copy();
        assert_eq!(wrong(&left).await, "");
        let next = left.open().await;
        let log = events(&next).await;
        assert!(
            log.iter().any(|e| e.dedup.as_ref() == Some(&guid)),
            "{guid}"
        );
        // and what is owed is known
        let app = next.app(&shop).await.unwrap().unwrap();
        assert_eq!(app.running.unwrap().wanted.commit, commit(after));
        close(next).await;
    }
}

#[tokio::test]
async fn a_stopped_writer_says_so_and_takes_nothing() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.close().await;
    let shop = name("shop");
    let refused = ask(&store, &shop, OPERATOR, None, register(&shop, 1)).await;
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the log cannot be written: the writer has stopped"
    );
}

// once

#[tokio::test]
async fn a_duplicate_is_answered_and_not_written() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    let with_body = |before, after| {
        let body = Some("body-1".to_owned());
        Command::Push(Box::new(Push {
            body,
            ..push(before, after)
        }))
    };
    let first = ask(&store, &shop, GITHUB, Some("guid-1"), with_body(1, 2)).await;
    assert_eq!(first.unwrap(), Answer::Queued(DeployNumber(2)));
    let before = *store.head().borrow();
    let duplicates = [
        ("guid-1", pushed(2, 3)),
        ("guid-2", with_body(2, 3)),
        ("guid-3", pushed(1, 2)),
    ];
    for (guid, push) in duplicates {
        let answer = ask(&store, &shop, GITHUB, Some(guid), push).await;
        assert_eq!(answer.unwrap(), Answer::Duplicate, "{guid}");
    }
    assert_eq!(*store.head().borrow(), before);
    // another app has not seen them
    let blog = name("blog");
    tell(&store, &blog, OPERATOR, register(&blog, 1)).await;
    let other = ask(&store, &blog, GITHUB, Some("guid-1"), with_body(1, 2)).await;
    assert_eq!(other.unwrap(), Answer::Queued(DeployNumber(2)));
}

#[tokio::test]
async fn duplicates_that_come_at_once_are_written_once() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    let body = |after| {
        let body = Some("body-1".to_owned());
        Command::Push(Box::new(Push {
            body,
            ..push(1, after)
        }))
    };
    let sent = [
        ("guid-1", pushed(1, 2)),
        ("guid-1", pushed(1, 3)),
        ("guid-2", pushed(1, 2)),
        ("guid-3", body(4)),
        ("guid-4", body(5)),
    ];
    let answers = sent.map(|(guid, push)| ask(&store, &shop, GITHUB, Some(guid), push));
    let answers: Vec<_> = join_all(answers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let queued = |n| Answer::Queued(DeployNumber(n));
    let duplicate = Answer::Duplicate;
    assert_eq!(
        answers,
        [
            queued(2),
            duplicate.clone(),
            duplicate.clone(),
            queued(3),
            duplicate
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_is_answered_alike_within_a_commit_and_after_it() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    tell(&store, &shop, GITHUB, pushed(1, 2)).await;
    let go_back = || ask(&store, &shop, OPERATOR, Some("key-1"), rollback(1));
    let (first, second) = join(go_back(), go_back()).await;
    let expected = Answer::Queued(DeployNumber(3));
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        (expected.clone(), expected.clone())
    );
    assert_eq!(go_back().await.unwrap(), expected);
    // a key that began no deploy is not given the number of the next one
    let locked = || ask(&store, &shop, OPERATOR, Some("key-2"), lock("audit"));
    assert_eq!(locked().await.unwrap(), Answer::Done);
    tell(&store, &shop, OPERATOR, Command::Unlock { reason: None }).await;
    tell(&store, &shop, GITHUB, pushed(2, 3)).await;
    assert_eq!(locked().await.unwrap(), Answer::Duplicate);
    // not even by what comes with it in one commit
    let again = ask(&store, &shop, OPERATOR, Some("key-1"), register(&shop, 1));
    let (again, other) = join(again, ask(&store, &shop, GITHUB, None, pushed(3, 4))).await;
    assert_eq!(again.unwrap(), expected);
    assert!(matches!(other.unwrap(), Answer::Queued(_)));
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test]
async fn an_old_push_keeps_its_outcome_when_its_commit_comes_again_in_the_same_commit() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    tell(&store, &shop, GITHUB, pushed(1, 2)).await;
    let deploy = tell(
        &store,
        &shop,
        OPERATOR,
        Command::Deploy(Box::new(target(1))),
    );
    let (deploy, back) = join(deploy, tell(&store, &shop, GITHUB, pushed(2, 1))).await;
    assert_eq!(deploy, Answer::Queued(DeployNumber(3)));
    assert!(matches!(back, Answer::Held(_)));
    let newest = store.push_of(&shop, &commit(1)).await.unwrap().unwrap();
    assert_eq!(newest.outcome.as_deref(), Some("held: pinned"));
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test]
async fn what_was_pushed_before_a_pin_is_held_and_what_came_after_is_not() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    for before in 1..4 {
        tell(&store, &shop, GITHUB, pushed(before, before + 1)).await;
    }
    // the pin and an old commit in one transaction, then each on its own
    let (pinned, old) = join(
        tell(&store, &shop, OPERATOR, rollback(1)),
        tell(&store, &shop, GITHUB, pushed(4, 3)),
    )
    .await;
    assert!(matches!(pinned, Answer::Queued(_)));
    let older = tell(&store, &shop, GITHUB, pushed(3, 2)).await;
    assert!(matches!((old, older), (Answer::Held(_), Answer::Held(_))));
    for (before, after) in [(2, 5), (5, 6), (6, 5)] {
        let answer = tell(&store, &shop, GITHUB, pushed(before, after)).await;
        assert!(matches!(answer, Answer::Queued(_)), "{after}: {answer:?}");
    }
}

#[tokio::test]
async fn of_two_apps_destroyed_at_once_the_last_one_takes_the_hook_along() {
    let folder = Folder::new();
    let store = folder.open().await;
    let apps = [name("shop"), name("blog")];
    for (app, branch) in apps.iter().zip(["main", "next"]) {
        let Command::Register(mut new) = register(app, 1) else {
            panic!()
        };
        new.source = source(&name("shop"));
        new.source.branch = branch.parse().unwrap();
        tell(&store, app, OPERATOR, Command::Register(new)).await;
        let hook = Fact::HookRegistered {
            id: 501,
            url: "http://node/dploy".to_owned(),
        };
        tell(&store, app, OBSERVER, Command::Note(vec![hook])).await;
    }
    let destroy = |app| {
        let command = Command::Destroy {
            keep_services: false,
            override_lock: false,
        };
        tell(&store, app, OPERATOR, command)
    };
    join(destroy(&apps[0]), destroy(&apps[1])).await;
    let mut hooks = Vec::new();
    for app in &apps {
        let app = store.app(app).await.unwrap().unwrap();
        hooks.push(app.destroying.unwrap().hook);
    }
    assert_eq!(hooks, [None, Some(501)]);
}

#[tokio::test]
async fn two_that_make_a_hook_secret_at_once_get_the_same() {
    let folder = Folder::new();
    let store = folder.open().await;
    let made = join_all((0..4).map(|_| store.make_hook_secret(7))).await;
    let made: BTreeSet<String> = made
        .into_iter()
        .map(|secret| secret.unwrap().expose().to_owned())
        .collect();
    assert_eq!(made.len(), 1);
    assert_eq!(store.hook_secrets(7).await.unwrap().len(), 1);
}

// what must not be written

#[tokio::test]
async fn a_list_that_is_too_long_for_one_event_is_split_before_it_and_read_whole() {
    let folder = Folder::new();
    let store = folder.open().await;
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    tell(&store, &shop, OBSERVER, Command::Start(DeployNumber(1))).await;
    let Fact::PlanMade {
        services, warnings, ..
    } = plan_made(&service("/shop/web"), 1)
    else {
        panic!()
    };
    let long = |n: usize| Planned {
        id: service(&format!("/shop/{n:0>249}")),
        ..services[0].clone()
    };
    let planned: Vec<Planned> = (0..500).map(long).collect();
    let made = Fact::PlanMade {
        services: planned.clone(),
        unchanged: 0,
        plan: "0123".to_owned(),
        warnings,
    };
    let before = *store.head().borrow();
    let facts = vec![specs_read(&commit(1)), made];
    assert_eq!(
        tell(&store, &shop, OBSERVER, report(1, facts)).await,
        Answer::Done
    );
    let written = events(&store)
        .await
        .split_off(usize::try_from(before).unwrap());
    let kinds: Vec<&str> = written.iter().map(|e| e.kind.as_str()).collect();
    let listed = kinds.len() - 2;
    assert!(listed > 2, "{kinds:?}");
    assert_eq!(kinds[0], "specs_read");
    assert!(
        kinds[1..=listed].iter().all(|k| *k == "services_listed"),
        "{kinds:?}"
    );
    assert_eq!(kinds[listed + 1], "plan_made");
    assert!(
        written
            .iter()
            .all(|e| e.payload.get().len() <= PAYLOAD_LIMIT)
    );
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
    dploy_observer::store::rebuild(folder.path()).await.unwrap();
    let store = folder.open().await;
    let app = store.app(&shop).await.unwrap().unwrap();
    assert_eq!(app.running.unwrap().plan, Some(planned));
    close(store).await;
}

#[tokio::test]
async fn a_text_from_outside_that_is_too_long_is_cut_and_nothing_is_refused_for_it() {
    let folder = Folder::new();
    let store = folder.open().await;
    store.log().redactor().learn("hunter22");
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    // a secret where it is cut, letters of several bytes, and such as JSON escapes
    let long = format!("{}{}", "hunter22 ".repeat(700), "\"ü\u{1}".repeat(30_000));
    let mut shown = push(1, 2);
    shown.info.as_mut().unwrap().message.clone_from(&long);
    shown.info.as_mut().unwrap().author.clone_from(&long);
    shown.pusher = Some(long.clone());
    let answer = tell(&store, &shop, GITHUB, Command::Push(Box::new(shown))).await;
    assert_eq!(answer, Answer::Queued(DeployNumber(2)));
    tell(&store, &shop, OPERATOR, lock(&long)).await;
    let held = tell(&store, &shop, GITHUB, pushed(2, 3)).await;
    assert!(matches!(held, Answer::Held(_)));
    for event in events(&store).await {
        let payload = event.payload.get();
        assert!(payload.len() < PAYLOAD_LIMIT / 2 && !payload.contains("hunter"));
        assert_eq!(
            payload.len() > 5000,
            payload.contains("… (cut)\""),
            "{}",
            event.kind
        );
    }
    close(store).await;
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test]
async fn a_known_secret_never_reaches_the_file() {
    const SECRETS: [&str; 4] = [
        "s3cr3t-of-the-hook",
        r#"quo"ted\back"#,
        "zeilen\numbruch",
        "päßwört-lang",
    ];
    const PAT: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    let folder = Folder::new();
    let store = folder.open().await;
    for secret in SECRETS {
        store.log().redactor().learn(secret);
    }
    let told = format!("env {} and {PAT}", SECRETS.join(" and "));
    let shop = name("shop");
    tell(&store, &shop, OPERATOR, register(&shop, 1)).await;
    let mut shown = push(1, 2);
    shown.info.as_mut().unwrap().message.clone_from(&told);
    shown.info.as_mut().unwrap().author.clone_from(&told);
    shown.pusher = Some(told.clone());
    tell(&store, &shop, GITHUB, Command::Push(Box::new(shown))).await;
    let failed = Fact::DeployFailed {
        code: "REJECTED".to_owned(),
        sentence: told.clone(),
        services: vec![outcome(
            &service("/shop/web"),
            1,
            dploy_observer::event::Action::Update,
        )],
    };
    let differed = Fact::HookRepaired {
        id: 1,
        url: format!("http://node/{PAT}"),
        differed: vec![told.clone()],
    };
    tell(&store, &shop, OBSERVER, Command::Note(vec![differed])).await;
    tell(&store, &shop, OBSERVER, report(2, vec![failed])).await;
    tell(&store, &shop, OPERATOR, lock(&told)).await;
    let mut target = target(1);
    target.reason = Some(told.clone());
    target.override_lock = true;
    tell(&store, &shop, OPERATOR, Command::Rollback(Box::new(target))).await;
    assert!(
        events(&store)
            .await
            .iter()
            .any(|e| e.payload.get().contains("env •••• and"))
    );

    let grep = |when: &str| {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            let escaped = SECRETS.map(|s| serde_json::to_string(s).unwrap());
            let escaped = escaped.iter().map(|s| s.trim_matches('"'));
            for secret in SECRETS.into_iter().chain(escaped).chain([PAT]) {
                assert!(
                    !text.contains(secret),
                    "{secret} is in {} {when}",
                    path.display()
                );
            }
        }
    };
    grep("while it runs");
    close(store).await;
    grep("afterwards");
    assert_eq!(wrong(&folder).await, "");
}

#[tokio::test]
async fn what_is_worth_no_commit_is_read_at_once_and_rides_with_the_next() {
    let folder = Folder::new();
    let store = folder.open().await;
    let app = name("shop");
    let on_disk = async |what: &str| -> i64 {
        let mut conn = folder.raw().await;
        let query = "select count(*) from observation where key = 'shop/' || ?";
        let count = sqlx::query_scalar(query).bind(what).fetch_one(&mut conn);
        let count = count.await.unwrap();
        conn.close().await.unwrap();
        count
    };
    store.observe_later(&app, "polled", "ok").await.unwrap();
    let seen = async |what: &str| {
        let seen = store.observed(&app, what).await.unwrap();
        seen.map(|(value, _)| value)
    };
    assert_eq!(seen("polled").await.as_deref(), Some("ok"));
    assert_eq!(on_disk("polled").await, 0);
    tell(&store, &app, OBSERVER, register(&app, 1)).await;
    assert_eq!(on_disk("polled").await, 1);
    assert_eq!(seen("polled").await.as_deref(), Some("ok"));
    // what is written by itself is newer than what waits
    store.observe_later(&app, "polled", "old").await.unwrap();
    store.observe(&app, "polled", "new").await.unwrap();
    assert_eq!(seen("polled").await.as_deref(), Some("new"));
    store.observe_later(&app, "trouble", "none").await.unwrap();
    close(store).await;
    assert_eq!(on_disk("trouble").await, 1);
    let store = folder.open().await;
    let seen = store.observed(&app, "polled").await.unwrap();
    assert_eq!(seen.map(|(value, _)| value).as_deref(), Some("new"));
    close(store).await;
}
