//! The pages of the local Marathon, as a browser asks for them, and who may ask at all.

use local_marathon::Credentials;
use serde_json::{Value, json};

use test_kit::marathon::{GOOD, Marathon, Reply, SICK, checked, quick, tasks};

async fn page(marathon: &Marathon, path: &str) -> String {
    let accept = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    let reply = marathon
        .call_with("GET", path, accept, &Value::Null)
        .await
        .unwrap();
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    assert!(
        reply.head.contains("content-type: text/html"),
        "{}",
        reply.head
    );
    // nothing is loaded from elsewhere, and no script runs
    let policy = "content-security-policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'";
    assert!(reply.head.contains(policy), "{}", reply.head);
    reply.body.as_str().unwrap().to_owned()
}

/// A form as a browser sends it, from a page of that origin.
async fn send(marathon: &Marathon, origin: &str, form: &str) -> Reply {
    let request = format!(
        "POST /local/faults HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        marathon.address,
        form.len()
    );
    let answer = marathon.send(&request).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Reply {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: json!(body),
    }
}

#[tokio::test]
async fn the_first_page_shows_apps_with_tasks_health_and_what_they_wait_for() {
    let marathon = Marathon::start().await;
    let home = marathon.call("GET", "/", Value::Null).await;
    assert_eq!(home.status, 302);
    assert!(
        home.head
            .contains(&format!("location: {}/ui/", marathon.url())),
        "{}",
        home.head
    );
    assert!(page(&marathon, "/ui/").await.contains("none yet"));

    marathon
        .deployed(checked("/shop/web", GOOD, 2, (1.0, 1.0)))
        .await;
    let huge = json!({"id": "/huge", "cmd": "sleep 1000", "cpus": 1000, "instances": 2});
    marathon.ok("POST", "/v2/apps", huge).await;
    marathon
        .until("looked at", "/v2/queue", |q| {
            q["queue"][0]["processedOffersSummary"]["processedOffersCount"] != 0
        })
        .await;
    let shown = page(&marathon, "/ui/").await;
    for words in [
        r#"<a href="/ui/apps/shop/web">/shop/web</a>"#,
        "2 of 2",
        "2 healthy",
        "0 of 2",
        "2 tasks wait: no offer fits: not enough CPUs",
        "step 2 of 2<br>scale /huge",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    marathon.stop().await;
}

#[tokio::test]
async fn the_page_of_an_app_leads_to_the_logs_of_what_runs_and_of_what_failed() {
    let marathon = Marathon::start().await;
    let cmd = "echo '<b>bold</b>'; echo 'no <such> file' >&2; exit 4";
    let app = json!({"id": "/crash", "cmd": cmd, "cpus": 0.1, "backoffSeconds": 100_000, "maxLaunchDelaySeconds": 100_000});
    marathon.ok("POST", "/v2/apps", app).await;
    let failed = |app: &Value| app["app"]["lastTaskFailure"].is_object();
    let app = marathon.until("failed", "/v2/apps/crash", failed).await;
    let task = app["app"]["lastTaskFailure"]["taskId"].as_str().unwrap();
    let shown = page(&marathon, "/ui/apps/crash").await;
    for words in [
        "Command exited with status 4: no &#60;such&#62; file",
        "because tasks failed",
        &format!(r#"<a href="/local/tasks/{task}/stderr">stderr</a>"#),
        "&#60;b&#62;bold&#60;/b&#62;",
    ] {
        assert!(shown.contains(words), "{words} in {shown}");
    }
    let log = marathon
        .call("GET", &format!("/local/tasks/{task}/stdout"), Value::Null)
        .await;
    assert_eq!(log.body, "<b>bold</b>\n");
    assert!(
        log.head.contains("content-type: text/plain"),
        "{}",
        log.head
    );
    assert!(
        log.head.contains("x-content-type-options: nosniff"),
        "{}",
        log.head
    );

    // the next attempt runs; the one before stays to be read
    marathon
        .ok("PUT", "/v2/apps/crash?force=true", json!({"cmd": SICK}))
        .await;
    marathon.idle().await;
    let app = marathon.get("/v2/apps/crash").await;
    let now = tasks(&app)[0]["id"].as_str().unwrap();
    let shown = page(&marathon, "/ui/apps/crash").await;
    assert!(
        shown.contains(now) && shown.contains("<h2>Ended</h2>"),
        "{shown}"
    );
    for missing in [
        "/ui/apps/nope",
        "/ui/nope",
        "/local/tasks/..%2f..%2fstate.json/stdout",
    ] {
        let reply = marathon.call("GET", missing, Value::Null).await;
        assert_eq!(reply.status, 404, "{missing}");
    }
    marathon.stop().await;
}

#[tokio::test]
async fn faults_are_switched_by_buttons_of_our_own_page_only() {
    let marathon = Marathon::start().await;
    let shown = page(&marathon, "/local/faults").await;
    let button = r#"name="change" value="{&#34;no_offers&#34;:true}"><button>switch on</button>"#;
    assert!(shown.contains(button), "{shown}");
    let form = "change=%7B%22no_offers%22%3Atrue%2C+%22crash%22%3A2%7D";
    let foreign = send(&marathon, "http://example.com", form).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(marathon.get("/local/faults").await["no_offers"], false);
    let own = send(&marathon, &marathon.url(), form).await;
    assert_eq!(own.status, 303);
    assert!(own.head.contains("location: /local/faults"), "{}", own.head);
    let set = marathon.get("/local/faults").await;
    assert_eq!(
        (&set["no_offers"], &set["crash"]),
        (&json!(true), &json!(2))
    );
    let shown = page(&marathon, "/local/faults").await;
    assert!(
        shown.contains("2 to come") && shown.contains("<button>switch off</button>"),
        "{shown}"
    );
    let home = page(&marathon, "/ui/").await;
    assert!(home.contains("Faults are switched on"), "{home}");
    let status = "change=%7B%22refuse%22%3A%7B%22status%22%3A99%2C%22message%22%3A%22no%22%7D%7D";
    let bad = send(&marathon, &marathon.url(), status).await;
    assert!(
        bad.body.as_str().unwrap().contains("from 400 to 599"),
        "{}",
        bad.body
    );
    let bad = send(&marathon, &marathon.url(), "change=%7B%22nope%22%3A1%7D").await;
    assert_eq!(bad.status, 400);
    assert!(
        bad.body.as_str().unwrap().contains("unknown field `nope`"),
        "{}",
        bad.body
    );
    assert_eq!(
        send(
            &marathon,
            &marathon.url(),
            "change=%7B%22reset%22%3Atrue%7D"
        )
        .await
        .status,
        303
    );
    assert!(
        !page(&marathon, "/ui/")
            .await
            .contains("Faults are switched on")
    );
    marathon.stop().await;
}

#[tokio::test]
async fn with_credentials_nobody_gets_in_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let marathon = Marathon::start_with(dir, quick(), Some(Credentials::new("user:secret"))).await;
    let right = "Authorization: basic dXNlcjpzZWNyZXQ=\r\n";
    for path in [
        "/v2/apps",
        "/ping",
        "/ui/",
        "/local/faults",
        "/local/info",
        "/v2/nope",
        "/v2/events",
    ] {
        for headers in [
            "",
            "Authorization: Basic dXNlcjp3cm9uZw==\r\n",
            "Authorization: Basic nonsense\r\n",
            "Authorization: Bearer abc\r\n",
        ] {
            let reply = marathon
                .call_with("GET", path, headers, &Value::Null)
                .await
                .unwrap();
            assert_eq!(reply.status, 401, "{path} {headers}");
            assert!(
                reply
                    .head
                    .contains("www-authenticate: basic realm=\"null\""),
                "{}",
                reply.head
            );
            assert!(
                reply
                    .body
                    .as_str()
                    .unwrap()
                    .contains("<title>Error 401 Unauthorized</title>")
            );
        }
        let programs = marathon
            .call_with("GET", path, "Accept: application/json\r\n", &Value::Null)
            .await
            .unwrap();
        assert_eq!((programs.status, programs.body), (401, json!("")), "{path}");
    }
    let faults = marathon
        .call("POST", "/local/faults", json!({"down": true}))
        .await;
    assert_eq!(faults.status, 401);
    let reply = marathon
        .call_with("GET", "/v2/apps", right, &Value::Null)
        .await
        .unwrap();
    assert_eq!((reply.status, reply.body), (200, json!({"apps": []})));
    marathon.stop().await;
}
