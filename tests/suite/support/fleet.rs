//! Many apps that were deployed long ago, each at a state of its own: written through the log, as the observer writes.

use std::path::Path;
use std::sync::Arc;

use dploy_observer::event::{Action, CommitInfo, DeployRef, Fact, Planned, Via};
use dploy_observer::history::{Command, Push};
use dploy_observer::id::{AppId, CommitId, DeployNumber, ServiceId};
use dploy_observer::store::Store;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::data_folder::{
    GITHUB, OBSERVER, OPERATOR, lock, name, outcome, push, register, report, spec, target, tell,
};

/// What people do.
const MESSAGES: [&str; 5] = [
    "Fix the total of a cart with two vouchers",
    "Cache the front page",
    "New checkout",
    "Ask the database less often",
    "Speak of people, not of users",
];

pub fn app(n: usize) -> AppId {
    let part = ["shop", "blog", "mail", "search", "ledger"][n % 5];
    name(&format!("{part}-{n:04}"))
}

fn service(app: &AppId) -> ServiceId {
    format!("/fleet/{app}").parse().unwrap()
}

pub fn commit(app: usize, version: u32) -> CommitId {
    dploy_observer::spec::sha256_hex(format!("{app} {version}").as_bytes())[..40]
        .parse()
        .unwrap()
}

/// A group of Marathon with the services of so many apps, an instance of each.
pub fn group(apps: usize) -> Value {
    let apps = (0..apps).map(|n| {
        let id = service(&app(n));
        json!({
            "id": id, "cmd": "exec sleep 100000", "cpus": 0.001, "mem": 1, "disk": 0, "portDefinitions": [],
            "labels": {"DPLOY": app(n)},
        })
    });
    json!({"id": "/fleet", "apps": apps.collect::<Vec<Value>>()})
}

/// Registers so many apps and lets each have two deploys; each twentieth is something else than well.
pub async fn settle(data: &Path, apps: usize) {
    let store = opened(data).await;
    settled(&store, apps, 1).await;
    store.close().await;
}

/// The log of this folder.
pub async fn opened(data: &Path) -> Store {
    let fails = Arc::new(|why: &str| panic!("{why}"));
    let store = Store::open(data, dploy_observer::clock::system(), fails);
    store.await.unwrap()
}

/// The same, after so many deploys that went well, all apps side by side.
pub async fn settled(store: &Store, apps: usize, deploys: u32) {
    let all = (0..apps).map(|n| one(store, n, deploys));
    let mut all = futures_util::stream::iter(all).buffer_unordered(64);
    while all.next().await.is_some() {}
}

async fn one(store: &Store, n: usize, deploys: u32) {
    let id = app(n);
    let Command::Register(mut new) = register(&id, 1) else {
        unreachable!("it registers")
    };
    new.head = commit(n, 1);
    new.info = Some(info(n, 1));
    new.source.repository_id = repository(n);
    tell(store, &id, OBSERVER, Command::Register(new)).await;
    ends(store, &id, 1, &commit(n, 1), true).await;
    for version in 2..=deploys {
        pushed(store, n, version).await;
        ends(store, &id, version, &commit(n, version), true).await;
    }
    let last = deploys + 1;
    pushed(store, n, last).await;
    if n % 20 != 7 {
        ends(store, &id, last, &commit(n, last), n % 20 != 3).await;
    }
    match n % 20 {
        11 => drop(tell(store, &id, OPERATOR, lock("the audit until Monday")).await),
        15 => {
            let mut back = target(1);
            back.to = DeployRef {
                deploy: Some(DeployNumber(1)),
                commit: commit(n, 1),
            };
            tell(store, &id, OPERATOR, Command::Rollback(Box::new(back))).await;
            ends(store, &id, last + 1, &commit(n, 1), true).await;
        }
        _ => {}
    }
}

/// The repository of an app.
pub fn repository(n: usize) -> u64 {
    1_000 + n as u64
}

async fn pushed(store: &Store, n: usize, version: u32) {
    let moved = Push {
        via: Via::Webhook,
        after: commit(n, version),
        info: Some(info(n, version)),
        before: Some(commit(n, version - 1)),
        ..push(1, 2)
    };
    tell(store, &app(n), GITHUB, Command::Push(Box::new(moved))).await;
}

fn info(n: usize, version: u32) -> CommitInfo {
    CommitInfo {
        message: MESSAGES[(n + version as usize) % MESSAGES.len()].to_owned(),
        author: ["Ana", "Ben", "Chidi"][n % 3].to_owned(),
        url: None,
    }
}

/// A deploy of the app's one service goes to its end.
async fn ends(store: &Store, app: &AppId, number: u32, commit: &CommitId, well: bool) {
    let id = service(app);
    let planned = Planned {
        id: id.clone(),
        change: Action::Update,
        spec: Some(spec(1)),
        instances: Some(1),
    };
    let mut of_it = outcome(&id, 1, Action::Update);
    (of_it.new, of_it.instances) = (1, Some(1));
    let end = if well {
        Fact::DeploySucceeded {
            services: vec![of_it],
            orphans: Vec::new(),
            sentence: "1 service changed, all healthy".to_owned(),
        }
    } else {
        Fact::DeployFailed {
            code: "CRASHING".to_owned(),
            sentence: format!(
                "{id} crashed 5 times on 10.0.7.91: exit 3: Traceback: no database at 10.0.0.7"
            ),
            services: vec![of_it],
        }
    };
    let begins = vec![
        Fact::DeployStarted {
            commit: commit.clone(),
        },
        Fact::PlanMade {
            services: vec![planned],
            unchanged: 0,
            plan: "0123456789abcdef".to_owned(),
            warnings: Vec::new(),
        },
    ];
    tell(store, app, OBSERVER, report(number, begins)).await;
    tell(store, app, OBSERVER, report(number, vec![end])).await;
}
