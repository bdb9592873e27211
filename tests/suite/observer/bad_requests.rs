//! Requests that do not fit: every error is a problem with status, code and a sentence, as JSON for programs and as a
//! page for browsers; and nothing is done.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::town::{TOKEN, Town, service};

struct Answer {
    status: u16,
    kind: String,
    allow: String,
    text: String,
}

impl Answer {
    /// The problem, which must be whole.
    fn problem(&self, of: &str) -> Value {
        assert_eq!(
            self.kind, "application/problem+json",
            "{of}: {} {}",
            self.status, self.text
        );
        let problem: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem["status"], self.status, "{of}: {problem}");
        for field in ["type", "title", "code", "detail"] {
            let text = problem[field].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{of}: no {field} in {problem}");
        }
        problem
    }
}

async fn ask(
    town: &Town,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let method: Method = method.parse().unwrap();
    let mut request = town
        .http
        .request(method, format!("{}{path}", town.url()))
        .bearer_auth(TOKEN);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.body(body.to_vec()).send().await.unwrap();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map_or(String::new(), |v| v.to_str().unwrap().to_owned())
    };
    Answer {
        status: answer.status().as_u16(),
        kind: header("content-type"),
        allow: header("allow"),
        text: answer.text().await.unwrap(),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

async fn town() -> Town {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.event_until("hook_pinged").await;
    town
}

async fn nothing_happened(town: &Town, before: usize) {
    let events = town.events().await;
    assert_eq!(events.len(), before, "{:?}", &events[before..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_fit_is_refused_with_the_field() {
    let town = town().await;
    let before = town.events().await.len();
    let cases = [
        ("lock", json!({"reson": "x"}), "reson"),
        ("lock", json!({"reason": 5}), "reason"),
        ("lock", json!({}), "reason"),
        ("lock", json!({"reason": "  "}), "reason"),
        ("lock", json!([]), "body"),
        ("lock", json!("text"), "body"),
        ("rollback", json!({}), "to:"),
        ("rollback", json!({"to": ""}), "to"),
        ("rollback", json!({"to": "no commit!"}), "no commit!"),
        ("rollback", json!({"to": {"deploy": 1}}), "to"),
        ("rollback", json!({"to": "#1", "resume": "never"}), "resume"),
        ("rollback", json!({"to": "#1", "scale": "half"}), "scale"),
        ("rollback", json!({"to": "#1", "dry_run": "yes"}), "dry_run"),
        ("rollback", json!({"to": "#1", "plan": 5}), "plan"),
        ("scale", json!({"instances": 2}), "service"),
        ("scale", json!({"service": "/shop/web"}), "instances"),
        (
            "scale",
            json!({"service": "/shop/web", "instances": -1}),
            "instances",
        ),
        (
            "scale",
            json!({"service": "/shop/web", "instances": 1.5}),
            "instances",
        ),
        (
            "scale",
            json!({"service": "/shop/web", "instances": "two"}),
            "instances",
        ),
        (
            "scale",
            json!({"service": "web!", "instances": 1}),
            "service",
        ),
        ("adopt", json!({"services": "web"}), "services"),
        ("cancel", json!({"deploy": "abc"}), "deploy"),
        ("deploy", json!({"deploy": {}}), "deploy"),
        ("deploy", json!({"service": "Web Shop"}), "service"),
    ];
    for (action, body, named) in cases {
        let of = format!("{action} {body}");
        let path = format!("/apps/shop/{action}");
        let answer = ask(&town, "POST", &path, &[JSON], body.to_string().as_bytes()).await;
        let problem = answer.problem(&of);
        assert_eq!(answer.status, 422, "{of}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(named),
            "{of}: {named:?} is not in {detail:?}"
        );
    }
    let deep = "[".repeat(50_000);
    let unreadable: [&[u8]; 5] = [b"{", b"hello", b"\xff\xfe", b"{}{}", deep.as_bytes()];
    for body in unreadable {
        let answer = ask(&town, "POST", "/apps/shop/lock", &[JSON], body).await;
        let problem = answer.problem("unreadable");
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (400, Some("unreadable")),
            "{problem}"
        );
    }
    let large = format!("{{\"reason\": \"{}\"}}", "x".repeat(64 * 1024));
    let answer = ask(&town, "POST", "/apps/shop/lock", &[JSON], large.as_bytes()).await;
    assert_eq!(answer.problem("large")["status"], 413);
    let form: [(&[u8], u16); 4] = [
        (b"reason=", 422),
        (b"reson=x", 422),
        (b"%ff=%ff", 422),
        (b"&&==&", 422),
    ];
    for (body, status) in form {
        let answer = ask(&town, "POST", "/apps/shop/lock", &[FORM], body).await;
        assert_eq!(answer.status, status, "{body:?}: {}", answer.text);
    }
    nothing_happened(&town, before).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_as_a_problem_or_as_a_page() {
    let town = town().await;
    let before = town.events().await.len();
    let cases = [
        ("GET", "/nothing", 404),
        ("GET", "/nothing.json", 404),
        ("GET", "/apps/none", 404),
        ("GET", "/apps/none.json", 404),
        ("GET", "/apps/Not%20An%20Id", 404),
        ("GET", "/apps/%FF", 400),
        ("GET", "/apps/shop/deploys/99", 404),
        ("GET", "/apps/shop/deploys/-1.json", 404),
        ("GET", "/apps/shop/deploys/99999999999999999999", 404),
        ("GET", "/apps/none/hook", 404),
        ("GET", "/apps/shop/rollback", 422),
        ("GET", "/apps/shop/rollback?to=%23%23", 422),
        ("GET", "/apps/shop/rollback?deploy=77", 422),
        ("GET", "/events?since=yesterday", 400),
        ("GET", "/events?before=99999999999999999999", 400),
        ("GET", "/events.jsonl?since=x", 400),
        ("GET", "/events?app=No!", 422),
        ("GET", "/events?kind=party", 422),
        ("GET", "/why/main", 422),
        ("GET", "/why/ab", 422),
        ("GET", "/static/none.css", 404),
        ("POST", "/apps/none/lock", 404),
        ("POST", "/apps/shop/explode", 404),
        ("POST", "/apps/shop/destroyed", 404),
        ("POST", "/apps/shop/hook/explode", 404),
        ("POST", "/apps/no/such/service/rollback", 404),
        ("POST", "/apps/no/such/service/explode", 404),
        ("POST", "/apps/%2Fshop%2Fnone/rollback", 404),
        ("DELETE", "/apps/none", 404),
        ("DELETE", "/apps/shop?keep_service=true", 400),
        ("PUT", "/apps/shop", 405),
        ("PATCH", "/", 405),
        ("GET", "/apps/shop/lock", 405),
        ("GET", "/dploy", 405),
        ("DELETE", "/events.jsonl", 405),
        ("GET", "/apps/shop/hook/ping", 405),
        ("GET", "/logout", 405),
    ];
    for (method, path, status) in cases {
        let of = format!("{method} {path}");
        let answer = ask(&town, method, path, &[], b"").await;
        let problem = answer.problem(&of);
        assert_eq!(answer.status, status, "{of}: {problem}");
        if status == 405 {
            assert!(!answer.allow.is_empty(), "{of}: which methods are allowed?");
        }
        let page = ask(&town, method, path, &[BROWSER], b"").await;
        assert_eq!(page.status, status, "{of}: {}", page.text);
        if path.strip_suffix(".json").is_some() {
            page.problem(&of);
        } else {
            assert!(page.kind.starts_with("text/html"), "{of}: {}", page.kind);
            let detail = problem["detail"].as_str().unwrap().split(['"', '\'', '&']);
            let first = detail.clone().next().unwrap();
            assert!(
                page.text.contains("<!doctype html>") && page.text.contains(first),
                "{of}: {}",
                page.text
            );
        }
    }
    let script = ask(
        &town,
        "GET",
        "/apps/<script>alert(1)</script>",
        &[BROWSER],
        b"",
    )
    .await;
    assert!(!script.text.contains("<script>alert"), "{}", script.text);
    let login = ask(&town, "POST", "/login", &[JSON], b"{\"token\": \"x\"}").await;
    assert_eq!(login.problem("login")["status"], 415);
    nothing_happened(&town, before).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ending_and_accept_decide_between_json_and_a_page() {
    let town = town().await;
    let json_type = "application/json";
    let cases = [
        ("/apps/shop", "*/*", json_type),
        ("/apps/shop", "application/json", json_type),
        ("/apps/shop", "text/html", "text/html"),
        ("/apps/shop", BROWSER.1, "text/html"),
        ("/apps/shop", "application/json, text/html", json_type),
        ("/apps/shop.json", "text/html", json_type),
        ("/apps.json", BROWSER.1, json_type),
        ("/events.json", "text/html", json_type),
        ("/apps/shop/deploys/1.json", "text/html", json_type),
        ("/apps/shop/deploys/1", "text/html", "text/html"),
        ("/apps/shop/hook.json", "text/html", json_type),
        ("/events.jsonl", "text/html", "application/jsonl"),
        ("/why/abcd.json", "text/html", json_type),
    ];
    for (path, accept, kind) in cases {
        let answer = ask(&town, "GET", path, &[("accept", accept)], b"").await;
        assert!(
            answer.status == 200 && answer.kind.starts_with(kind),
            "{path} {accept}: {} {}",
            answer.status,
            answer.kind
        );
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_cannot_be_registered_is_refused_with_the_reason() {
    let town = town().await;
    town.git(&["push", "-q", "origin", "HEAD:same-name"]);
    town.git(&["rm", "-q", "dploy.app"]);
    town.git(&["commit", "-q", "-m", "no descriptor"]);
    town.git(&["push", "-q", "origin", "HEAD:bare"]);
    town.write("dploy.app", "app_name: Not A Name\n");
    town.git(&["add", "-A"]);
    town.git(&["commit", "-q", "-m", "a bad name"]);
    town.git(&["push", "-q", "origin", "HEAD:bad-name"]);
    let before = town.events().await.len();
    let acme = |branch: &str| json!({"repository": "acme/shop", "branch": branch});
    let cases = [
        (json!({}), 422, "repository"),
        (
            json!({"repository": "acme/shop", "brunch": "x"}),
            422,
            "brunch",
        ),
        (json!({"repository": 5}), 422, "repository"),
        (json!({"repository": "acme"}), 422, "repository"),
        (json!({"repository": "acme/shop/x"}), 422, "repository"),
        (json!({"repository": "acme/.."}), 422, "repository"),
        (
            json!({"repository": "https://github.com/acme/shop"}),
            422,
            "repository",
        ),
        (acme(""), 422, "branch"),
        (acme("a..b"), 422, "branch"),
        (acme("a b"), 422, "branch"),
        (json!({"repository": "acme/none"}), 422, "not found"),
        (acme("none"), 422, "has no branch none"),
        (acme("bare"), 422, "dploy.app is missing"),
        (acme("bad-name"), 422, "app_name"),
        (acme("same-name"), 409, "shop"),
    ];
    for (body, status, named) in cases {
        let of = body.to_string();
        let answer = ask(&town, "POST", "/apps", &[JSON], of.as_bytes()).await;
        let problem = answer.problem(&of);
        assert_eq!(answer.status, status, "{of}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains(named),
            "{of}: {named:?} is not in {detail:?}"
        );
    }
    let (status, body) = town.post("/apps", &acme("dcos")).await;
    assert_eq!((status, &body["app"]), (200, &json!("shop")), "{body}");
    nothing_happened(&town, before).await;
    town.end().await;
}

/// What is answered to these headers, of whose body nothing comes.
async fn answered(town: &Town, headers: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let host = town
        .url()
        .trim_start_matches("http://")
        .replace("localhost", "127.0.0.1");
    let mut stream = tokio::net::TcpStream::connect(&host).await.unwrap();
    let head = format!("POST /dploy HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut read = vec![0; 64];
    let n = stream.read(&mut read).await.unwrap();
    String::from_utf8_lossy(&read[..n]).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_headers_alone_show_is_answered_before_a_byte_of_the_body() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (known, large) = (town.repository, "Content-Length: 20000000\r\n");
    let target = |id: u64| format!("X-GitHub-Hook-Installation-Target-ID: {id}\r\n");
    let signed = |digits: &str| format!("X-Hub-Signature-256: sha256={digits}\r\n");
    for headers in [
        format!("{large}{}", target(known)),
        format!("{large}{}{}", target(known), signed("00")),
        format!("{large}{}{}", target(known), signed(&"x".repeat(64))),
        format!("{large}{}{}", target(known + 1), signed(&"0".repeat(64))),
    ] {
        let said = answered(&town, &headers).await;
        assert!(said.starts_with("HTTP/1.1 401 "), "{headers}: {said}");
    }
    let huge = format!(
        "Content-Length: 30000000\r\n{}{}",
        target(known),
        signed(&"0".repeat(64))
    );
    assert!(answered(&town, &huge).await.starts_with("HTTP/1.1 413 "));
    town.end().await;
}
