//! Every route, asked by everybody, for apps of every visibility: the table of docs/access.md is what was seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU16, Ordering};

use dploy_observer::access::{Person, Role};
use dploy_observer::event::Visibility;
use dploy_observer::history::Command;
use dploy_observer::secret::Secret;
use dploy_observer::store::NewToken;
use serde_json::{Value, json};
use test_kit::wait::until;

use super::privacy::another_app;
use crate::documents::{read, routes, section};
use crate::support::town::{TOKEN, Town, service};

/// Who asks, in the order of the table's columns.
const ASKING: [&str; 9] = [
    "nobody",
    "viewer",
    "operator",
    "admin",
    "other app's",
    "expired",
    "revoked",
    "session",
    "cross-site",
];

/// An app of each visibility.
const APPS: [(&str, &str); 3] = [
    ("public", "shop"),
    ("private", "hidden"),
    ("unknown", "lost"),
];

/// What is sent to a route so that whoever may is answered, and nothing happens. Of a route that is not here the body is `{}`.
const BODIES: [(&str, &str); 6] = [
    ("POST /apps", r#"{"repository": "none"}"#),
    ("POST /apps/{id}/destroy", r#"{"confirm": "no"}"#),
    ("POST /apps/{id}/rollback", r#"{"instances": 1}"#),
    (
        "POST /apps/{id}/{action}",
        r#"{"plan": "x", "instances": 1, "services": []}"#,
    ),
    ("POST /tokens", r#"{"name": "", "role": "viewer"}"#),
    ("POST /login", "{}"),
];

/// The actions of an app.
const ACTIONS: [&str; 8] = [
    "deploy", "redeploy", "cancel", "resume", "lock", "unlock", "scale", "adopt",
];

struct Matrix {
    town: Town,
    /// The token of each who asks.
    tokens: BTreeMap<&'static str, String>,
    strangers: AtomicU16,
}

impl Matrix {
    async fn new() -> Self {
        let town = Town::with_settings(
            &[("web", service("/shop/web", 1, ""))],
            &["--requests-of-peer=0"],
        )
        .await;
        another_app(&town, "hidden", true).await;
        // whose repository nobody knows any more
        another_app(&town, "lost", false).await;
        for (_, app) in APPS {
            let lock = json!({"reason": "nothing is to happen"});
            let path = format!("/apps/{app}/lock");
            assert_eq!(town.post(&path, &lock).await.0, 200);
        }
        let store = &town.observer.as_ref().unwrap().store;
        let mut tokens = BTreeMap::from([("admin", TOKEN.to_owned())]);
        for (name, role, apps, end) in [
            ("viewer", Role::Viewer, None, None),
            ("operator", Role::Operator, None, None),
            ("other-of-shop", Role::Operator, Some("hidden"), None),
            ("other-of-hidden", Role::Operator, Some("shop"), None),
            (
                "expired",
                Role::Admin,
                None,
                Some("2026-01-01T00:00:00.000000Z"),
            ),
            ("revoked", Role::Admin, None, None),
        ] {
            let token = Secret::random().unwrap();
            let new = NewToken {
                person: Person {
                    name: format!("the-{name}"),
                    role,
                    apps: apps.map(|app| [app.parse().unwrap()].into()),
                    proof: None,
                },
                hash: token.sha256(),
                expires_at: end.map(str::to_owned),
            };
            store.add_token(new).await.unwrap();
            tokens.insert(name, token.expose().to_owned());
        }
        store.drop_token("the-revoked", false).await.unwrap();
        Self {
            town,
            tokens,
            strangers: AtomicU16::new(1),
        }
    }

    /// A session of the operator, begun in a browser.
    async fn session(&self) -> String {
        let form = format!("token={}&next=/", self.tokens["operator"]);
        let call = self.town.http.post(format!("{}/login", self.town.url()));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer = call.body(form).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The answer to a route, in a word.
    async fn asked(&self, who: &str, route: &str, action: &str, app: &str) -> String {
        let (method, path) = route.split_once(' ').unwrap();
        let session = self.session().await;
        let mut place = path.replace("{id}", app);
        if path.starts_with("/sessions/{id}") {
            place = path.replace("{id}", "0123456789abcdef");
        }
        let place = place
            .replace("{name}/revoke", "operator/revoke")
            .replace("/tokens/{name}", "/tokens/operator")
            .replace("/static/{name}", "/static/app.css")
            .replace("{n}", "1")
            .replace("{sha}", "abcdef")
            .replace("hook/{action}", "hook/ping")
            .replace("{action}", action);
        let place = match route {
            "GET /apps/{id}/rollback" => format!("{place}?deploy=1"),
            _ => place,
        };
        let url = format!("{}{place}", self.town.url());
        let http = match who {
            // wrong tokens slow down their address: each comes from another one
            "revoked" => {
                let n = self.strangers.fetch_add(1, Ordering::Relaxed);
                let address =
                    std::net::Ipv4Addr::new(127, 7, n.to_be_bytes()[0], n.to_be_bytes()[1]);
                let from = reqwest::Client::builder().local_address(Some(address.into()));
                from.no_proxy().build().unwrap()
            }
            _ => self.town.http.clone(),
        };
        let mut call = http.request(method.parse().unwrap(), url);
        call = call.header("accept", "application/json");
        if method != "GET" {
            let body = BODIES.iter().find(|(of, _)| *of == route);
            call = call.header("content-type", "application/json");
            call = call.body(body.map_or("{}", |(_, body)| body));
        }
        let call = match who {
            "nobody" => call,
            "session" => call.header("cookie", session),
            "cross-site" => call
                .header("cookie", session)
                .header("sec-fetch-site", "cross-site")
                .header("origin", "https://evil.example"),
            "other app's" if app == "shop" => call.bearer_auth(&self.tokens["other-of-shop"]),
            "other app's" => call.bearer_auth(&self.tokens["other-of-hidden"]),
            known => call.bearer_auth(&self.tokens[known]),
        };
        let answer = call.send().await.unwrap();
        let status = answer.status().as_u16();
        let kind = answer.headers().get("content-type");
        let streams = kind.is_some_and(|kind| kind == "text/event-stream");
        let text = if streams {
            String::new()
        } else {
            answer.text().await.unwrap()
        };
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            status < 500 || route.contains("hook"),
            "{who}: {route} {app}: {status} {text}"
        );
        match (status, problem["code"].as_str()) {
            (401, _) => "401".to_owned(),
            (403, Some("role" | "cross_site")) => "403".to_owned(),
            // of a session nobody has there is none, for whoever is known
            (404, _) if path.starts_with("/sessions/{id}") => "yes".to_owned(),
            (404, _) => "404".to_owned(),
            (429, _) => panic!("{text}"),
            (410, _) => "410".to_owned(),
            _ => "yes".to_owned(),
        }
    }

    /// The rows of a route in the table; those of several actions are the same.
    async fn rows(&self, table: &mut String, route: &str, actions: &[&str]) {
        let apps: &[(&str, &str)] = if route.contains("/apps/{id}") {
            &APPS
        } else {
            &[("", "shop")]
        };
        let mut rows: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
        for (visibility, app) in apps {
            let mut seen: Vec<Vec<String>> = Vec::new();
            for action in actions {
                let mut cells = Vec::new();
                for who in ASKING {
                    self.veil().await;
                    cells.push(self.asked(who, route, action, app).await);
                }
                seen.push(cells);
            }
            assert!(
                seen.iter().all(|cells| *cells == seen[0]),
                "{route} {app}: {seen:?}"
            );
            let cells = seen.swap_remove(0);
            match rows.iter_mut().find(|(_, same)| *same == cells) {
                Some((visibilities, _)) => visibilities.push(visibility),
                None => rows.push((vec![visibility], cells)),
            }
        }
        let named = match actions {
            [""] => String::new(),
            actions => format!(" {}", actions.join(", ")),
        };
        for (visibilities, cells) in rows {
            let of = match visibilities.len() {
                3 => "any".to_owned(),
                _ => visibilities.join(", "),
            };
            let _ = writeln!(table, "| `{route}`{named} | {of} | {} |", cells.join(" | "));
        }
    }

    /// GitHub does not show the repository of `lost` any more.
    async fn veil(&self) {
        let store = &self.town.observer.as_ref().unwrap().store;
        let lost = "lost".parse().unwrap();
        let app = store.app(&lost).await.unwrap().unwrap();
        if app.source.visibility != Visibility::Unknown {
            let unseen = Command::Follow {
                repository: None,
                visibility: Visibility::Unknown,
            };
            let log = store.log();
            log.command(&lost, "observer", None, unseen).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_everybody_as_the_table_of_the_documents_says() {
    let matrix = Matrix::new().await;
    let mut table = String::new();
    let _ = writeln!(table, "| route | app | {} |", ASKING.join(" | "));
    let _ = writeln!(table, "|---|---|{}", "---|".repeat(ASKING.len()));
    for route in routes() {
        // GitHub's own, which no person calls: its tests are those of signatures
        if route == "POST /dploy" {
            continue;
        }
        if route == "GET /apps/{id}/{action}" {
            let pages = ["deploy", "redeploy", "resume", "unlock"];
            matrix.rows(&mut table, &route, &pages).await;
            matrix.rows(&mut table, &route, &["adopt"]).await;
            continue;
        }
        if route != "POST /apps/{id}/{action}" {
            matrix.rows(&mut table, &route, &[""]).await;
            continue;
        }
        let (adopt, others): (Vec<&str>, Vec<&str>) =
            ACTIONS.iter().partition(|action| **action == "adopt");
        matrix.rows(&mut table, &route, &others).await;
        matrix.rows(&mut table, &route, &adopt).await;
    }
    matrix.town.end().await;
    let document = read("docs/access.md");
    let written = section(&document, "## Route by route");
    let lines = written.lines().filter(|l| l.starts_with('|'));
    let written = lines.collect::<Vec<_>>().join(
        "
",
    ) + "
";
    assert!(
        written == table,
        "the table of docs/access.md is another one:\n{table}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_is_not_for_is_nowhere_to_be_seen_with_it_and_specs_are_for_operators() {
    let matrix = Matrix::new().await;
    let seen = async |who: &str, path: &str| {
        let call = matrix.town.http.get(format!("{}{path}", matrix.town.url()));
        let answer = call.bearer_auth(&matrix.tokens[who]).send().await.unwrap();
        answer.text().await.unwrap()
    };
    for page in [
        "/",
        "/apps.json",
        "/events",
        "/events.json",
        "/events.jsonl",
        "/status",
    ] {
        let others = seen("other-of-hidden", page).await;
        assert!(
            !others.contains("hidden") || page == "/status",
            "{page}: {others}"
        );
        if page != "/status" {
            for who in ["viewer", "other-of-shop"] {
                let theirs = seen(who, page).await;
                assert!(theirs.contains("hidden"), "{who} {page}: {theirs}");
            }
        }
    }
    // what was refused is for those who see all there is
    let refusals = "/events.jsonl?kind=request_refused";
    seen("revoked", "/apps.json").await;
    assert!(seen("viewer", refusals).await.contains("not ours"));
    assert_eq!(seen("other-of-hidden", refusals).await, "");
    let settings = async |who: &str, app: &str| {
        let page: Value =
            serde_json::from_str(&seen(who, &format!("/apps/{app}.json")).await).unwrap();
        page["settings"].as_object().unwrap().len()
    };
    assert_eq!(settings("viewer", "hidden").await, 0);
    assert_eq!(
        settings("other-of-hidden", "shop").await,
        settings("operator", "shop").await
    );
    assert_eq!(settings("other-of-shop", "shop").await, 0);
    matrix.town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_or_over_takes_its_sessions_along_and_the_last_that_makes_tokens_stays()
 {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (status, made) = town
        .post(
            "/tokens",
            &json!({"name": "ana", "role": "operator", "apps": ["shop"], "expires": "2099-01-01"}),
        )
        .await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["expires"], "2099-01-01T00:00:00.000000Z");
    let token = made["token"].as_str().unwrap();
    let log_in = async || {
        let call = town.http.post(format!("{}/login", town.url()));
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        let answer = call.body(format!("token={token}&next=/")).send();
        let answer = answer.await.unwrap();
        let cookie = answer.headers().get("set-cookie")?.to_str().unwrap();
        Some(cookie.split(';').next().unwrap().to_owned())
    };
    let cookie = log_in().await.unwrap();
    let seen = async |cookie: &str| {
        let call = town.http.get(format!("{}/sessions.json", town.url()));
        let answer = call.header("cookie", cookie).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    let (status, sessions) = seen(&cookie).await;
    assert_eq!(status, 200, "{sessions}");
    let own = &sessions["sessions"][0];
    assert_eq!(
        (&own["token"], &own["this"], &own["peer"]),
        (&json!("ana"), &json!(true), &json!("127.0.0.1"))
    );
    // nobody sees those of others, but whoever makes tokens
    let all = town
        .http
        .get(format!("{}/sessions.json", town.url()))
        .bearer_auth(TOKEN);
    let all: Value = all.send().await.unwrap().json().await.unwrap();
    assert_eq!(all["sessions"].as_array().unwrap().len(), 1, "{all}");
    // what is deployed is deployed in its name
    let call = town.http.post(format!("{}/apps/shop/lock", town.url()));
    let call = call.header("cookie", &cookie).header("origin", town.url());
    let answer = call
        .json(&json!({"reason": "see who"}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        town.event_until("app_locked").await["actor"],
        "operator:ana"
    );
    let revoke = async |name: &str| {
        let call = town.http.delete(format!("{}/tokens/{name}", town.url()));
        let answer = call.bearer_auth(TOKEN).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(revoke("operator").await.0, 409, "nobody could make another");
    assert_eq!(revoke("ana").await.0, 200);
    assert_eq!(revoke("ana").await.0, 404);
    assert_eq!(seen(&cookie).await.0, 401);
    assert!(log_in().await.is_none());
    let bad = [
        json!({"name": "a b", "role": "viewer"}),
        json!({"name": "bob", "role": "root"}),
        json!({"name": "bob"}),
        json!({"name": "bob", "role": "viewer", "apps": []}),
        json!({"name": "bob", "role": "viewer", "apps": ["nothere"]}),
        json!({"name": "bob", "role": "viewer", "expires": "soon"}),
        json!({"name": "bob", "role": "viewer", "expires": "2020-01-01"}),
        json!({"name": "bob", "role": "viewer", "scope": "all"}),
    ];
    for body in bad {
        let (status, said) = town.post("/tokens", &body).await;
        assert_eq!(status, 422, "{body}: {said}");
    }
    let (status, _) = town
        .post("/tokens", &json!({"name": "operator", "role": "viewer"}))
        .await;
    assert_eq!(status, 409);
    // nothing of a token is anywhere but where it was shown
    let events = town.get("/events.json").await.to_string();
    assert!(!events.contains(token));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_slow_down_their_address() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let ask = async |token: &str| {
        let call = town.http.get(format!("{}/apps.json", town.url()));
        let answer = call.bearer_auth(token).send().await.unwrap();
        let after = answer.headers().get("retry-after").cloned();
        (answer.status().as_u16(), after)
    };
    let mut refused = (0, None);
    for n in 0..20 {
        refused = ask(&format!("a-guess-{n}")).await;
        if refused.0 == 429 {
            assert!(n >= 10, "the {n}th guess");
            break;
        }
    }
    assert_eq!(refused.0, 429);
    let seconds = refused.1.unwrap().to_str().unwrap().parse::<u64>().unwrap();
    assert!((1..=7).contains(&seconds), "{seconds}");
    // so nobody learns meanwhile whether a token is right
    assert_eq!(ask(TOKEN).await.0, 429);
    until("a right token is heard again", async || {
        match ask(TOKEN).await.0 {
            200 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_revoked_while_a_body_arrives_does_nothing_any_more() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let made = json!({"name": "ana", "role": "admin"});
    let (_, made) = town.post("/tokens", &made).await;
    let token = made["token"].as_str().unwrap();
    let to = town
        .url()
        .rsplit('/')
        .next()
        .unwrap()
        .replace("localhost", "127.0.0.1");
    for (path, body) in [
        ("/tokens", r#"{"name": "ghost", "role": "admin"}"#),
        ("/apps/shop/lock", r#"{"reason": "a ghost"}"#),
    ] {
        let mut stream = tokio::net::TcpStream::connect(&to).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{}",
            body.len(),
            &body[..5]
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // the head was read, as a request that came after it is answered
        assert_eq!(town.get("/apps.json").await["all"], false);
        if path == "/tokens" {
            let call = town.http.delete(format!("{}/tokens/ana", town.url()));
            assert_eq!(call.bearer_auth(TOKEN).send().await.unwrap().status(), 200);
        }
        stream.write_all(&body.as_bytes()[5..]).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let tokens = town
        .http
        .get(format!("{}/tokens.json", town.url()))
        .bearer_auth(TOKEN);
    let tokens = tokens.send().await.unwrap().text().await.unwrap();
    assert!(!tokens.contains("ghost"), "{tokens}");
    assert!(town.app().await["lock"].is_null());
    town.end().await;
}
