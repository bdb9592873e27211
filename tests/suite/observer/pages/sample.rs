//! Sample data for pages: one of everything, with the words of outsiders as a parameter.

use dploy_observer::access::{Person, Role};
use dploy_observer::api::{
    AppBody, AppPage, DeployBody, FailureBody, HeadBody, Health, HookBody, InstancesBody, LiveBody,
    MadeTokenBody, OpenDeploy, PinBody, PlanBody, PlanInstances, PlanService, Problem, RunsBody,
    ServiceBody, SessionBody, SettingBody, SourceBody, TokenBody,
};
use dploy_observer::event::{
    Cause, CommitInfo, DeployRef, Drift, Fact, PushReceived, ResumeWhen, Via,
};
use dploy_observer::history::{AppState, DeployState, Lock, Waiting};
use dploy_observer::id::{CommitId, DeployNumber};
use dploy_observer::sentence::Sentence;
use dploy_observer::spec::Change;
use dploy_observer::web::html::{Banner, Chrome, EventLine, EventsPage};
use serde_json::json;

/// A commit.
pub fn sha(digit: char) -> CommitId {
    format!("7c35f77{}", digit.to_string().repeat(33))
        .parse()
        .unwrap()
}

/// What surrounds every page.
pub fn chrome(operator: bool) -> Chrome {
    Chrome {
        person: operator.then(|| Person {
            name: "mh".to_owned(),
            role: Role::Admin,
            apps: None,
proof: None,
}),
        banners: vec![Banner {
            level: "error",
            text: "The webhook of blog is failing: the last answer was 502. Its branch is asked every 60 s.".into(),
            link: Some(("/apps/blog/hook".into(), "Look at the webhook".into())),
        }],
        now: "2026-11-22T10:00:00Z".parse().unwrap(),
        path: "/apps/shop".into(),
        live: Some("/live?app=shop".into()),
        did: operator.then_some("Locked: nobody deploys until it is unlocked."),
        trial: None,
        version: "0.1.0",
    }
}

/// What people want to know of a commit.
pub fn info(message: &str) -> CommitInfo {
    CommitInfo {
        message: message.into(),
        author: "Ana Lima".into(),
        url: Some("https://github.com/acme/shop/commit/7c35f77".into()),
    }
}

/// An app of which nothing is to be said.
pub fn app(name: &str, state: AppState, health: Health) -> AppBody {
    AppBody {
        app: name.parse().unwrap(),
        state,
        health,
        seen_at: Some("2026-11-22T09:59:58Z".into()),
        instances: Some(InstancesBody {
            wanted: 5,
            running: 5,
            healthy: 5,
        }),
        source: SourceBody {
            repository: "acme/shop".into(),
            branch: "dcos".into(),
        },
        pin: None,
        lock: None,
        head: Some(HeadBody {
            commit: sha('a'),
            seen_at: "2026-11-22T09:56:00Z".into(),
        }),
        live: Some(LiveBody {
            deploy: DeployNumber(42),
            commit: sha('a'),
            since: "2026-11-22T09:57:00Z".into(),
        }),
        running: None,
        waiting: None,
        sentence: None,
    }
}

/// An app that is locked and pinned while a deploy runs.
pub fn gated(words: &str) -> AppBody {
    AppBody {
        pin: Some(PinBody {
            commit: sha('b'),
            deploy: Some(DeployNumber(40)),
            by: "operator:mh".into(),
            reason: Some(words.into()),
            since: "2026-11-22T08:00:00Z".into(),
            resume: ResumeWhen::NextPush,
        }),
        lock: Some(Lock {
            until: None,
            by: "operator:bo".into(),
            reason: words.into(),
            since: "2026-11-22T09:00:00Z".into(),
        }),
        running: Some(OpenDeploy {
            deploy: DeployNumber(43),
            commit: sha('c'),
            state: DeployState::Following,
        }),
        sentence: Some(words.into()),
        ..app("api", AppState::Locked, Health::Deploying)
    }
}

/// A service.
pub fn service(id: &str, state: &str, healthy: u32, wanted: u32, why: Option<&str>) -> ServiceBody {
    ServiceBody {
        id: id.parse().unwrap(),
        change: Some("update".into()),
        state: Some(state.into()),
        wanted: Some(wanted),
        running: Some(healthy),
        healthy: Some(healthy),
        sentence: why.map(str::to_owned),
        runs: RunsBody {
            image: Some("shop/web:42".into()),
            version: Some("2026-11-22T09:00:00.000Z".into()),
            endpoints: vec!["10.0.7.91:31044".into(), "10.0.7.92:31002".into()],
            restarts: Some(wanted - healthy.min(wanted)),
            ..RunsBody::default()
        },
    }
}

/// A deploy in a state.
pub fn deploy(number: u32, state: DeployState, words: &str) -> DeployBody {
    let ended = state.ended();
    let failed = matches!(state, DeployState::Failed | DeployState::Cancelled);
    let waits = state == DeployState::Waiting;
    let said =
        "0 of 3 new tasks of /shop/web passed HTTP GET /health; the old version still runs: 3 of 3";
    DeployBody {
        app: "shop".parse().unwrap(),
        deploy: DeployNumber(number),
        state,
        cause: if number == 39 { Cause::Rollback } else { Cause::Push },
        commit: sha(char::from(b'a' + u8::try_from(42_u32.abs_diff(number)).unwrap() % 6)),
        actor: "github:ana".into(),
        reason: (number == 39).then(|| words.to_owned()),
        queued_at: format!("2026-11-22T09:{:02}:00Z", number + 14),
        started_at: (state != DeployState::Queued).then(|| format!("2026-11-22T09:{:02}:02Z", number + 14)),
        ended_at: ended.then(|| format!("2026-11-22T09:{:02}:40Z", number + 14)),
        failure: failed.then(|| FailureBody {
            why: Sentence::logged("UNHEALTHY", said),
            log: None,
        }),
        waiting: waits.then(|| Waiting {
            subject: None,
            code: "LOCKED".into(),
            sentence: "/shop/web is being deployed by somebody else (deployment 5ed4c0c0, 12 min); looking again in 8 s".into(),
            since: "2026-11-22T09:58:00Z".into(),
        }),
        sentence: (state == DeployState::Succeeded).then(|| "/shop/web 3 of 3 healthy".to_owned()),
        superseded_by: (state == DeployState::Superseded).then(|| DeployRef {
            deploy: Some(DeployNumber(42)),
            commit: sha('a'),
        }),
        marathon_deployments: vec!["5ed4c0c0-6b1e-4b5e-9c5c-0a1b2c3d4e5f".into()],
        warnings: vec![Sentence::logged("MUTABLE_TAG", "acme/web:latest is a tag that can move: the image may differ")],
        message: Some(info(words)),
        services: Some(vec![
            service("/shop/cart", "healthy", 2, 2, None),
            service("/shop/web", "waiting", 1, 3, Some("Waiting for resources: of the last 123 offers 75 lacked CPUs (needs 2.0)")),
        ]),
    }
}

/// An app with a history.
pub fn page(words: &str, body: AppBody) -> AppPage {
    let states = [
        (44, DeployState::Waiting),
        (43, DeployState::Failed),
        (42, DeployState::Succeeded),
        (41, DeployState::Superseded),
        (40, DeployState::Unchanged),
        (39, DeployState::Succeeded),
        (38, DeployState::Cancelled),
    ];
    let setting = |value: &str, from: &str| SettingBody {
        value: value.into(),
        from: from.into(),
    };
    AppPage {
        app: body,
        services: deploy(42, DeployState::Succeeded, words).services.unwrap(),
        deploys: states.iter().map(|(n, s)| deploy(*n, *s, words)).collect(),
        next: Some("38".into()),
        hook: hook(None),
        settings: [
            ("deadline".to_owned(), setting("600 s", "default")),
            ("prune".to_owned(), setting("true", "dploy.app")),
        ]
        .into(),
        orphans: vec!["/shop/old".parse().unwrap()],
        drift: vec![Drift {
            id: "/shop/web".parse().unwrap(),
            sentence: words.into(),
        }],
    }
}

/// An app of which nothing is known yet.
pub fn empty_page() -> AppPage {
    AppPage {
        app: AppBody {
            head: None,
            live: None,
            ..app("shop", AppState::Following, Health::Unknown)
        },
        services: Vec::new(),
        deploys: Vec::new(),
        next: None,
        hook: HookBody {
            id: None,
            url: None,
            registered_at: None,
            pinged_at: None,
            failure: None,
            polled_at: None,
        },
        settings: std::collections::BTreeMap::new(),
        orphans: Vec::new(),
        drift: Vec::new(),
    }
}

/// A webhook.
pub fn hook(failure: Option<&str>) -> HookBody {
    HookBody {
        id: Some(8_319_869),
        url: Some("http://52.37.1.2:8849/dploy".into()),
        registered_at: Some("2026-11-01T10:00:00Z".into()),
        pinged_at: Some("2026-11-22T09:40:00Z".into()),
        failure: failure.map(|f| Sentence::logged("HOOK_UNREACHABLE", f)),
        polled_at: Some("2026-11-22T09:59:48Z".into()),
    }
}

/// An event.
pub fn line(seq: i64, words: &str) -> EventLine {
    let fact = Fact::PushReceived(Box::new(PushReceived {
        via: Via::Webhook,
        delivery: Some("0b989ba4-242f-11e5-81e1-c7b6966d2516".into()),
        git_ref: "refs/heads/dcos".into(),
        before: Some(sha('b')),
        after: sha('a'),
        forced: false,
        commit: Some(info(words)),
        pusher: Some("ana".into()),
        body: None,
        contains_rolled_back: vec![sha('d')],
    }));
    EventLine {
        seq,
        at: "2026-11-22T09:57:00.120000Z".into(),
        app: Some("shop".into()),
        kind: "push_received".into(),
        actor: "github:ana".into(),
        deploy: Some(42),
        summary: dploy_observer::event::summary(&fact),
        payload: serde_json::to_string_pretty(&fact).unwrap(),
        hash: "3b".repeat(32),
        prev_hash: "4c".repeat(32),
    }
}

/// A page of the log.
pub fn events(words: &str, lines: i64) -> EventsPage {
    EventsPage {
        app: Some(words.into()),
        kind: Some("push_received".into()),
        actor: None,
        lines: (0..lines).map(|n| line(18_230 - n, words)).collect(),
        older: Some(18_200),
        newer: Some(18_280),
        kinds: vec!["deploy_queued", "push_received"],
    }
}

/// A field that differs.
pub fn change(
    path: &str,
    from: Option<serde_json::Value>,
    to: Option<serde_json::Value>,
) -> Change {
    Change {
        path: path.into(),
        from,
        to,
    }
}

/// Fields that differ.
pub fn diff(words: &str) -> Vec<Change> {
    vec![
        change(
            "/container/docker/image",
            Some(json!("acme/web:41")),
            Some(json!("acme/web:42")),
        ),
        change("/env/GREETING", None, Some(json!(words))),
        change("/env/DB_PASSWORD", None, None),
    ]
}

/// Tokens: of everything, and of one app until a day that is past.
pub fn tokens() -> Vec<TokenBody> {
    let one = |name: &str, role, apps: Option<&str>, expires: Option<&str>| TokenBody {
        name: name.to_owned(),
        role,
        apps: apps.map(|app| [app.parse().unwrap()].into()),
        expires: expires.map(str::to_owned),
        over: expires.is_some(),
        created_at: "2026-11-20T10:00:00.000000Z".to_owned(),
        of_settings: apps.is_none(),
    };
    vec![
        one("mh", Role::Admin, None, None),
        one(
            "ci@shop",
            Role::Operator,
            Some("shop"),
            Some("2026-11-21T10:00:00.000000Z"),
        ),
    ]
}

/// A token that was just made.
pub fn made() -> MadeTokenBody {
    MadeTokenBody {
        about: tokens().remove(1),
        token: "0123456789abcdef".repeat(4),
    }
}

/// Browsers that are logged in.
pub fn sessions() -> Vec<SessionBody> {
    let one = |this: bool| SessionBody {
        id: "0123456789abcdef".to_owned(),
        token: "ana".to_owned(),
        since: "2026-11-22T09:00:00.000000Z".to_owned(),
        seen: (!this).then(|| "2026-11-22T09:30:00.000000Z".to_owned()),
        peer: this.then(|| "10.0.0.7".to_owned()),
        expires: "2026-11-22T21:00:00.000000Z".to_owned(),
        this,
    };
    vec![one(true), one(false)]
}

/// A dry run.
pub fn plan(words: &str) -> PlanBody {
    let one = |id: &str, change: &str, diff| PlanService {
        id: id.parse().unwrap(),
        change: change.into(),
        diff,
        instances: PlanInstances {
            running: 5,
            spec: Some(2),
            after: 5,
        },
    };
    PlanBody {
        app: "shop".parse().unwrap(),
        from: Some(DeployRef {
            deploy: Some(DeployNumber(42)),
            commit: sha('a'),
        }),
        to: Some(DeployRef {
            deploy: Some(DeployNumber(40)),
            commit: sha('c'),
        }),
        also: vec![words.to_owned()],
        undoes: vec![sha('a'), sha('b')],
        services: vec![
            one("/shop/web", "update", diff(words)),
            one("/shop/new", "remove", Vec::new()),
            one("/shop/db", "unchanged", Vec::new()),
        ],
        warnings: vec![Sentence::logged("MUTABLE_TAG", words)],
        plan: "0123456789abcdef".into(),
    }
}

/// An error with a new plan.
pub fn refused(words: &str) -> Problem {
    Problem {
        kind: "about:blank".to_owned(),
        title: "Plan is stale".into(),
        status: 409,
        code: "plan_stale".into(),
        detail: words.into(),
        hint: Some("Look at the new comparison and confirm it.".into()),
        retry_after: None,
        plan: Some(Box::new(plan(words))),
    }
}
