//! Every page, with the sample data.

use dploy_observer::access::Person;
use dploy_observer::api::{ActBody, AppBody, AppsBody, Health, LastWords, RegisteringBody};
use dploy_observer::history::{AppState, DeployState};
use dploy_observer::web::html::{
    self, Answer, Call, Chrome, DiffLine, EventsPage, Field, Manual, Part, Past, Shape, Sought,
    Verdict, WhyLine,
};

use super::sample::{
    app, chrome, deploy, diff, empty_page, events, gated, hook, info, line, made, page, plan,
    refused, sessions, sha, tokens,
};

fn failed(name: &str, words: &str) -> AppBody {
    AppBody {
        sentence: Some(words.into()),
        ..app(name, AppState::Following, Health::Failed)
    }
}

fn fleet(words: &str) -> AppsBody {
    AppsBody {
        all: true,
        seq: 9,
        next: Some("web".into()),
        apps: vec![
            app("web", AppState::Following, Health::Ok),
            gated(words),
            failed("mail", words),
            AppBody {
                sentence: Some(words.into()),
                ..app("first", AppState::Held, Health::Degraded)
            },
            empty_page().app,
            app(
                "a-name-of-exactly-sixty-three-characters-to-see-whether-it-fits",
                AppState::Destroyed,
                Health::Ok,
            ),
        ],
        registering: None,
    }
}

/// An app that cannot be registered yet.
fn registering(words: &str) -> AppsBody {
    AppsBody {
        all: true,
        seq: 0,
        next: None,
        apps: Vec::new(),
        registering: Some(RegisteringBody {
            repository: "acme/shop".into(),
            branch: "dcos".into(),
            sentence: words.into(),
            since: "2026-11-22T09:57:00Z".into(),
            webhook: true,
        }),
    }
}

fn diffs(words: &str, operator: bool) -> [DiffLine; 2] {
    [
        DiffLine {
            service: "/shop/web".into(),
            change: "update".into(),
            fields: diff(words),
            hidden: !operator,
        },
        DiffLine {
            service: "/shop/cart".into(),
            change: "restart".into(),
            fields: Vec::new(),
            hidden: false,
        },
    ]
}

/// Nothing in particular is looked for.
const ALL: Sought<'static> = Sought {
    words: "",
    show: "",
    page: 1,
};

/// The overview, of many apps, of none, and of those that are looked for.
fn overviews(c: &Chrome, words: &str) -> Vec<(&'static str, String)> {
    let none = AppsBody {
        all: true,
        seq: 0,
        next: None,
        apps: Vec::new(),
        registering: None,
    };
    vec![
        ("overview", html::overview(c, &fleet(words), &ALL)),
        (
            "overview-found",
            html::overview(
                c,
                &fleet(words),
                &Sought {
                    words,
                    show: "pinned",
                    page: 1,
                },
            ),
        ),
        ("overview-empty", html::overview(c, &none, &ALL)),
        (
            "overview-registering",
            html::overview(c, &registering(words), &ALL),
        ),
    ]
}

/// Every page, rich and empty, with `words` wherever outsiders write.
pub fn pages(words: &str, operator: bool) -> Vec<(String, String)> {
    let c = &chrome(operator);
    let lines = [line(7, words), line(8, words), line(9, "Fix cart total")];
    let verdict = |live| Verdict {
        app: "shop".parse().unwrap(),
        live,
        open: live,
        sentence: words.to_owned(),
        step: Some(("/apps/shop/redeploy?deploy=3".to_owned(), words.to_owned())),
    };
    let why = |live| WhyLine {
        app: "shop".into(),
        at: "2026-11-22T09:57:00Z".into(),
        sentence: words.into(),
        deploy: Some(42),
        live,
    };
    let one = |n, state| {
        html::deploy(
            c,
            &failed("shop", words),
            &deploy(n, state, words),
            Some(&last_words(words)),
            &lines,
            &diffs(words, operator),
        )
    };
    let texts = [words.to_owned(), "/shop/web is removed".to_owned()];
    let bare = EventsPage {
        app: None,
        kind: None,
        lines: Vec::new(),
        older: None,
        newer: None,
        ..events("", 0)
    };
    let mut all = vec![
        ("deploy-failed", one(43, DeployState::Failed)),
        ("deploy-live", one(42, DeployState::Succeeded)),
        ("deploy-waiting", one(44, DeployState::Waiting)),
        ("deploy-following", one(45, DeployState::Following)),
        ("deploy-superseded", one(41, DeployState::Superseded)),
        ("events", html::events(c, &events(words, 12))),
        ("events-empty", html::events(c, &bare)),
        ("hook", html::hook(c, &gated(words), &hook(Some(words)), 60)),
        (
            "hook-none",
            html::hook(
                c,
                &app("shop", AppState::Following, Health::Ok),
                &empty_page().hook,
                60,
            ),
        ),
        (
            "destroyed",
            html::destroyed(c, "shop", Some(words), &texts, &texts),
        ),
        (
            "why",
            html::why(
                c,
                sha('a').as_str(),
                &[verdict(true), verdict(false)],
                &[why(true), why(false)],
            ),
        ),
        ("why-none", html::why(c, words, &[], &[])),
        ("api", html::docs(c, &manual(words))),
        ("problem", html::problem(c, &refused(words))),
        ("login", html::login(c, words, Some(words), None)),
        ("login-closed", html::login(c, "/", None, Some(words))),
    ];
    all.extend(apps(c, words));
    all.extend(overviews(c, words));
    if operator {
        all.extend(confirmations(c, words));
        all.extend(people(c, words));
        all.extend(logs(c, words));
    }
    all.into_iter()
        .map(|(name, html)| (name.to_owned(), html))
        .collect()
}

/// Pages of an app.
fn apps(c: &Chrome, words: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "app",
            html::app(
                c,
                &page(words, failed("shop", words)),
                &Past::default(),
                None,
            ),
        ),
        (
            "app-ok",
            html::app(
                c,
                &page(words, app("shop", AppState::Following, Health::Ok)),
                &Past::default(),
                None,
            ),
        ),
        (
            "app-found",
            html::app(
                c,
                &page(words, gated(words)),
                &Past {
                    words,
                    show: "failed",
                },
                Some(&(
                    vec![deploy(38, DeployState::Failed, words)],
                    Some("38".to_owned()),
                )),
            ),
        ),
        (
            "app-found-none",
            html::app(
                c,
                &page(words, gated(words)),
                &Past { words, show: "" },
                Some(&(Vec::new(), None)),
            ),
        ),
        (
            "app-gated",
            html::app(c, &page(words, gated(words)), &Past::default(), None),
        ),
        (
            "app-empty",
            html::app(c, &empty_page(), &Past::default(), None),
        ),
    ]
}

/// A description of an API with one call and one type.
fn manual(words: &str) -> Manual {
    let field = |kind: &[&str]| Field {
        name: words.to_owned(),
        place: "query".to_owned(),
        kind: kind.iter().map(ToString::to_string).collect(),
        needed: true,
        says: words.to_owned(),
    };
    let fields = vec![field(&["string", "null"]), field(&["list of Thing"])];
    Manual {
        says: words.to_owned(),
        parts: vec![Part {
            name: words.to_owned(),
            says: words.to_owned(),
            calls: vec![Call {
                id: "get_apps".to_owned(),
                method: "GET".to_owned(),
                path: "/apps".to_owned(),
                says: words.to_owned(),
                who: "anyone".to_owned(),
                parameters: fields.clone(),
                body: fields.clone(),
                answers: vec![Answer {
                    status: "200".to_owned(),
                    says: words.to_owned(),
                    content: vec![("application/json".to_owned(), vec!["Thing".to_owned()])],
                }],
            }],
        }],
        shapes: vec![
            Shape {
                name: "Thing".to_owned(),
                says: words.to_owned(),
                fields,
                words: Vec::new(),
            },
            Shape {
                name: "Word".to_owned(),
                says: words.to_owned(),
                fields: Vec::new(),
                words: vec![(words.to_owned(), words.to_owned())],
            },
        ],
    }
}

/// The page of an app whose commits claim this address.
pub fn app_with_commit_url(url: &str) -> String {
    let mut page = page("x", app("shop", AppState::Following, Health::Ok));
    for deploy in &mut page.deploys {
        deploy.message.as_mut().unwrap().url = Some(url.to_owned());
    }
    html::app(&chrome(true), &page, &Past::default(), None)
}

/// The page of an app, as this person sees it.
pub fn app_seen_by(person: Person) -> String {
    let chrome = Chrome {
        person: Some(person),
        ..chrome(false)
    };
    html::app(
        &chrome,
        &page("x", app("shop", AppState::Following, Health::Ok)),
        &Past::default(),
        None,
    )
}

/// The pages that ask before an action.
fn confirmations(c: &Chrome, words: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    all.push((
        "rollback",
        html::rollback(
            c,
            &gated(words),
            &plan(words),
            Some(&"/shop/web".parse().unwrap()),
            Some(&info(words)),
            Some(words),
        ),
    ));
    all.push((
        "destroy",
        html::destroy(
            c,
            &page(words, gated(words)),
            Some(&plan(words)),
            false,
            Some(words),
        ),
    ));
    for action in ["deploy", "redeploy", "resume", "unlock", "scale", "adopt"] {
        let plan = plan(words);
        let without = action == "unlock";
        let asked = html::Asked {
            action,
            only: None,
            body: &ActBody::default(),
            plan: (!without).then_some(&plan),
            silence: without.then_some(words),
        };
        all.push((action, html::confirm(c, &gated(words), &asked)));
    }
    all
}

/// What a task wrote last.
fn last_words(words: &str) -> LastWords {
    LastWords {
        service: "/shop/web".parse().unwrap(),
        task: "shop_web.instance-6f1._app.1".into(),
        stream: "stderr".into(),
        lines: vec!["Traceback (most recent call last):".into(), words.into()],
    }
}

/// What tasks write.
fn logs(c: &Chrome, words: &str) -> Vec<(&'static str, String)> {
    let shop = app("shop", AppState::Following, Health::Ok);
    let (web, cart) = ("/shop/web".parse().unwrap(), "/shop/cart".parse().unwrap());
    let read = (vec!["listening".to_owned(), words.to_owned()], 4711);
    let log = |part| html::Log {
        app: &shop,
        services: vec![&web, &cart],
        service: &web,
        tasks: vec!["shop_web.instance-6f1._app.1", words],
        task: words,
        stream: "stdout",
        part,
    };
    vec![
        ("log", html::logs(c, &log(Ok(&read)))),
        ("log-none", html::logs(c, &log(Ok(&(Vec::new(), 0))))),
        ("log-broken", html::logs(c, &log(Err(words.to_owned())))),
    ]
}

/// Tokens and sessions.
fn people(c: &Chrome, words: &str) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let (tokens, made) = (tokens(), made());
    all.push(("tokens", html::tokens(c, &tokens, Some(&made), Some(words))));
    all.push(("sessions", html::sessions(c, &sessions(), Some("ana"))));
    all.push(("sessions-none", html::sessions(c, &[], None)));
    all
}
