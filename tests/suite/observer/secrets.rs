//! Secrets are nowhere but where they must be: a whole life of an app with sentinels everywhere, and then a search.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::support::town::{PAT, TOKEN, Town, service};
use crate::support::views::VIEWS;

const PASSWORD: &str = "sentinel-password-6a1f";
const NEW_PASSWORD: &str = "sentinel-new-password-77c2";
const IN_URL: &str = "sentinel-in-url-90ab";
const KEY_LINE: &str = "sentinelKeyLine31337";
const LABEL: &str = "sentinel-label-token-44de";
const WRONG_TOKEN: &str = "sentinel-wrong-token-58aa";

/// What is no secret, and all the same not for everybody.
const HIDDEN: [&str; 4] = ["marker-cmd-1", "marker-cmd-2", "marker-env", "marker-label"];

/// What the process logs, kept to be searched.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Keeps all logs of this process, as much as `DPLOY_LOGLEVEL=trace` would show.
fn keep_logs() -> Kept {
    let kept = Kept::default();
    let writer = kept.clone();
    let quiet = ["sqlx", "hyper", "reqwest", "h2"].map(|library| (library, LevelFilter::WARN));
    let filter = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(quiet);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false);
    let lines = lines
        .with_writer(move || writer.clone())
        .with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    kept
}

fn web(version: u32, password: &str) -> Value {
    let mut web = service("/shop/web", version, "");
    let cmd = web["cmd"].as_str().unwrap();
    web["cmd"] = json!(format!(": marker-cmd-{version}; {cmd}"));
    web["env"] = json!({
        "DB_PASSWORD": password,
        "DATABASE_URL": format!("postgres://shop:{IN_URL}@db/shop"),
        "PRIVATE_KEY": format!("-----BEGIN KEY-----\n{KEY_LINE}\n-----END KEY-----\n"),
        "PLAIN": format!("marker-env-{version}"),
    });
    web["labels"] = json!({"note": format!("marker-label-{version}"), "deploy-token": LABEL});
    web
}

/// A version that tells its secrets before it ends.
fn talkative(text: &str) -> Value {
    let mut web = web(3, NEW_PASSWORD);
    web["cmd"] = json!(format!("echo \"cannot log in with {text}\" >&2; exit 127"));
    web
}

struct Search {
    secrets: Vec<String>,
}

impl Search {
    fn found(&self, text: &str) -> Vec<&str> {
        let secrets = self.secrets.iter().map(String::as_str);
        secrets.filter(|s| text.contains(s)).collect()
    }

    /// No secret is in the text.
    fn clean(&self, place: &str, text: &str) {
        let found = self.found(text);
        assert!(found.is_empty(), "{found:?} in {place}:\n{text:.20000}");
    }
}

async fn read(town: &Town, path: &str, accept: &str, token: Option<&str>) -> String {
    // wrong tokens slow down their address, and not that of the others
    let http = match token {
        Some(WRONG_TOKEN) => {
            let apart = reqwest::Client::builder().local_address(Some([127, 0, 0, 9].into()));
            apart.no_proxy().build().unwrap()
        }
        _ => town.http.clone(),
    };
    let mut request = http
        .get(format!("{}{path}", town.url()))
        .header("accept", accept);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    format!(
        "{:?}\n{}",
        answer.headers().clone(),
        answer.text().await.unwrap()
    )
}

/// Everything that can be looked at.
fn paths(deploys: u32, commit: &str) -> Vec<String> {
    let each = VIEWS.iter().flat_map(|view| view.paths(deploys, commit));
    each.collect()
}

/// Every row of a table, as text.
async fn rows(conn: &mut SqliteConnection, table: &str) -> String {
    let columns: Vec<String> =
        sqlx::query_scalar("select 'quote(' || name || ')' from pragma_table_info(?)")
            .bind(table)
            .fetch_all(&mut *conn)
            .await
            .unwrap();
    assert!(!columns.is_empty(), "{table}");
    let columns = columns.join(" || ' ' || ");
    let query = format!("select ifnull(group_concat({columns}, char(10)), '') from {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query))
        .fetch_one(conn)
        .await
        .unwrap()
}

/// A deploy, one that fails with the secrets on its lips (across a restart), a rollback, a login, calls that are refused.
async fn live(town: &mut Town) -> String {
    let second = {
        town.spec("web", &web(2, NEW_PASSWORD));
        town.push("version 2")
    };
    assert_eq!(town.ended(2).await["state"], "succeeded");
    let words = "$(echo $PRIVATE_KEY), $DB_PASSWORD and $DATABASE_URL";
    town.spec("web", &talkative(words));
    town.push("it talks");
    town.deploy_until(3, "Marathon has it", |d| d["state"] == "following")
        .await;
    // what was learnt from the spec is forgotten now, and its failure is still to come
    town.stop().await;
    town.start().await;
    let failure = town.ended(3).await["failure"].clone();
    assert_eq!(failure["code"], "CRASHING", "{failure}");
    let sentence = failure["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("cannot log in with ••••"),
        "the words are there, the value is not: {sentence}"
    );
    let reason = format!("somebody pasted {TOKEN} and {PAT} here");
    let body = json!({"to": "#1", "reason": reason});
    let (status, answer) = town.post("/apps/shop/rollback", &body).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(town.ended(4).await["state"], "succeeded");
    let (status, _) = town
        .post("/apps/shop/lock", &json!({"reason": reason}))
        .await;
    assert_eq!(status, 200);
    for token in [TOKEN, WRONG_TOKEN] {
        town.http
            .post(format!("{}/login", town.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}"))
            .send()
            .await
            .unwrap();
    }
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_a_page_an_event_an_error_a_log_or_a_table() {
    let logs = keep_logs();
    let mut town = Town::with(&[("web", web(1, PASSWORD))]).await;
    let commit = live(&mut town).await;
    let store = &town.observer.as_ref().unwrap().store;
    let hook = store.hook_secrets(town.repository).await.unwrap();
    let mut secrets: Vec<String> = [
        PAT,
        TOKEN,
        PASSWORD,
        NEW_PASSWORD,
        IN_URL,
        KEY_LINE,
        LABEL,
        WRONG_TOKEN,
    ]
    .map(str::to_owned)
    .into();
    secrets.extend(hook.iter().map(|s| s.expose().to_owned()));
    let search = Search { secrets };
    assert_eq!(search.found(PASSWORD), [PASSWORD], "the search works");
    for path in paths(4, &commit) {
        for accept in ["text/html", "application/json"] {
            let text = read(&town, &path, accept, None).await;
            search.clean(&format!("{path} for anybody"), &text);
            let shown: Vec<&str> = HIDDEN.into_iter().filter(|m| text.contains(m)).collect();
            assert!(shown.is_empty(), "{shown:?} in {path} for anybody:\n{text}");
            let refused = read(&town, &path, accept, Some(WRONG_TOKEN)).await;
            search.clean(&format!("{path} for a wrong token"), &refused);
            let operator = read(&town, &path, accept, Some(TOKEN)).await;
            search.clean(&format!("{path} for an operator"), &operator);
        }
    }
    operators_see_fingerprints(&town, &search).await;
    errors_do_not_echo(&town, &search).await;
    town.stop().await;
    let data = town.dir.path().join("data");
    let options = SqliteConnectOptions::new()
        .filename(dploy_observer::store::database(&data))
        .read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.unwrap();
    for table in [
        "event",
        "app",
        "deploy",
        "push",
        "service",
        "token",
        "session",
        "observation",
        "meta",
    ] {
        search.clean(table, &rows(&mut conn, table).await);
    }
    assert!(
        rows(&mut conn, "event")
            .await
            .contains("rollback_requested"),
        "the tables were read"
    );
    conn.close().await.unwrap();
    town.end().await;
    let logs = String::from_utf8_lossy(&logs.0.lock().unwrap()).into_owned();
    assert!(logs.contains("Refused a call of "), "the logs were kept");
    let lines: Vec<&str> = logs
        .lines()
        .filter(|l| !search.found(l).is_empty())
        .collect();
    assert!(lines.is_empty(), "in the logs: {lines:#?}");
}

async fn operators_see_fingerprints(town: &Town, search: &Search) {
    let page = read(town, "/apps/shop/deploys/2", "text/html", Some(TOKEN)).await;
    assert!(
        page.contains("/env/DB_PASSWORD") && page.contains("•••• "),
        "{page}"
    );
    assert!(
        page.contains("marker-env-2"),
        "an operator sees other values: {page}"
    );
    let (status, plan) = town
        .post(
            "/apps/shop/rollback",
            &json!({"to": "#2", "dry_run": true, "override_lock": true}),
        )
        .await;
    assert_eq!(status, 200, "{plan}");
    let diff = plan["services"][0]["diff"].as_array().unwrap();
    let password = diff
        .iter()
        .find(|c| c["path"] == "/env/DB_PASSWORD")
        .unwrap();
    let (from, to) = (&password["from"], &password["to"]);
    assert!(
        from.as_str().unwrap().starts_with("•••• ")
            && to.as_str().unwrap().starts_with("•••• ")
            && from != to,
        "{password}"
    );
    search.clean("the plan", &plan.to_string());
}

async fn errors_do_not_echo(town: &Town, search: &Search) {
    let bodies = [
        json!({"token": WRONG_TOKEN}),
        json!({"to": {"token": WRONG_TOKEN}}),
        json!({"to": 5, "reason": TOKEN}),
    ];
    for body in bodies {
        let (status, answer) = town.post("/apps/shop/rollback", &body).await;
        assert_eq!(status, 422, "{answer}");
        search.clean(&body.to_string(), &answer.to_string());
    }
    let repository = format!("https://ana:{PAT}@github.com/acme/shop");
    let (status, answer) = town.post("/apps", &json!({"repository": repository})).await;
    assert_eq!(status, 422, "{answer}");
    search.clean("an error of POST /apps", &answer.to_string());
}
