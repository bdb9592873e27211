//! What somebody types and sees who comes from the first release, where not all is there yet or as it must be.

use axum::extract::Request;
use axum::{Json, Router};
use serde_json::{Value, json};
use test_kit::wait::until;
use tokio::net::TcpListener;

use crate::support::program::{OBSERVER, Running, alone};
use crate::support::proxies::Gate;
use crate::support::town::{PAT, Town, listener, quick, service};

/// A Mesos-DNS at this address, that knows where Marathon is.
async fn mesos_dns(at: &str, marathon: &str) {
    let listener = TcpListener::bind(at).await.unwrap();
    let ip = marathon.split(':').next().unwrap().to_owned();
    let router = Router::new().fallback(move |request: Request| {
        let known = request.uri().path() == "/v1/hosts/marathon.mesos";
        let answer = json!([{"host": "marathon.mesos.", "ip": if known { &ip } else { "" }}]);
        async move { Json(answer) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
}

/// A Marathon where Mesos-DNS says that each is: at port 8080 of an address, here one of this machine's own.
async fn at_port_8080(marathon_url: &str) -> String {
    // which says `127.0.0.1` to it: it answers to no other name
    let gate = Gate::talking(marathon_url);
    let inside = gate.url().trim_start_matches("http://").to_owned();
    let [.., a, b] = std::process::id().to_be_bytes();
    let address = format!("127.91.{a}.{b}:8080");
    let listener = TcpListener::bind(&address).await.unwrap();
    tokio::spawn(async move {
        let _open = gate;
        while let Ok((mut outer, _)) = listener.accept().await {
            let inside = inside.clone();
            tokio::spawn(async move {
                let mut inner = tokio::net::TcpStream::connect(inside).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_of_the_first_release_waits_for_marathon_and_goes_on() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::unobserved(&specs, &[], quick()).await;
    let free = listener().await;
    let dns = free.local_addr().unwrap().to_string();
    drop(free);
    let dir = town.dir.path();
    let mut command = alone(OBSERVER, dir, dir);
    command
        .args([&format!("-pat={PAT}"), "-owner=acme", "-repo=shop"])
        .env("DPLOY_PUBLIC_NODE", "127.0.0.1")
        .env("DPLOY_OBSERVER_LISTEN", "127.0.0.1:0")
        .env("DPLOY_OBSERVER_GITHUB_API", town.github.url())
        .env("DPLOY_OBSERVER_SETTLE", "1")
        .env("DPLOY_MESOS_DNS", format!("http://{dns}"));
    let mut observer = Running::start(command, true);
    let first = observer.line_with("this is dploy observer").await;
    let url = first.split("url=").nth(1).unwrap();
    let url = url.split_whitespace().next().unwrap().to_owned();
    assert!(
        first.contains(&format!("looked for in http://{dns}")),
        "{first}"
    );
    let not_known =
        format!("Marathon's address is not known: Mesos-DNS at http://{dns} cannot be reached");
    observer.line_with(&not_known).await;
    let get = async |path: &str| {
        let call = town.http.get(format!("{url}{path}"));
        let answer = call.header("accept", "application/json").send().await;
        answer
            .map_err(|e| e.to_string())?
            .text()
            .await
            .map_err(|e| e.to_string())
    };
    until("it says what it waits for", async || {
        let ready = get("/readyz").await?;
        let deploy: Value = serde_json::from_str(&get("/apps/shop/deploys/1.json").await?)
            .map_err(|e| e.to_string())?;
        let waits = &deploy["waiting"];
        let says = waits["sentence"]
            .as_str()
            .unwrap_or_default()
            .contains(&not_known);
        if ready.contains(&not_known) && waits["code"] == "MARATHON_UNREACHABLE" && says {
            Ok(())
        } else {
            Err(format!("{ready}\n{deploy}"))
        }
    })
    .await;
    let page = town
        .http
        .get(format!("{url}/apps/shop"))
        .header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Mesos-DNS at"), "{page}");

    mesos_dns(&dns, &at_port_8080(&town.marathon_url).await).await;
    observer.line_with("Marathon was found").await;
    observer.line_with("Succeeded: 1 service changed").await;
    assert_eq!(get("/readyz").await.unwrap(), "ready\n");
    assert_eq!(observer.signal("-TERM").await.0, 0);
    town.end().await;
}

async fn github(town: &Town, path: &str) -> Value {
    let call = town.http.get(format!("{}{path}", town.github.url()));
    let call = call.bearer_auth(PAT).header("user-agent", "test");
    call.send().await.unwrap().json().await.unwrap()
}

/// The hooks of the town's repository.
async fn hooks(town: &Town) -> Vec<Value> {
    let hooks = github(town, "/repos/acme/shop/hooks").await;
    hooks.as_array().unwrap().clone()
}

/// A start at another port moves the webhook, and makes no second one.
async fn moves_with_a_start(town: &mut Town, before: &Value) {
    let old = before["config"]["url"].clone();
    town.stop().await;
    town.start().await;
    until("the webhook calls the new port", async || {
        let all = hooks(town).await;
        let moved = all[0]["config"]["url"] != old;
        if all.len() == 1 && all[0]["id"] == before["id"] && moved {
            Ok(())
        } else {
            Err(format!("{all:?}"))
        }
    })
    .await;
}

/// GitHub's ping came, and none of its calls was refused.
async fn is_pinged(town: &Town) {
    until("GitHub's ping has come", async || {
        let hook = town.get("/apps/shop/hook.json").await;
        match hook["pinged_at"].as_str() {
            Some(_) => Ok(()),
            None => Err(hook.to_string()),
        }
    })
    .await;
    let refused = town.get("/events.json?kind=request_refused").await;
    assert_eq!(refused["events"], json!([]), "its own hook is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_cannot_be_registered_says_why_and_its_hook_waits_for_the_push_that_helps() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let mut town = Town::unobserved(&specs, &[], quick()).await;
    town.write(
        "dploy.app",
        "marathon_url: http://localhost:8080\napp_name: CHANGEME\n",
    );
    town.push("as dploy init of the first release left it");
    town.start().await;
    let apps = until("the overview says why", async || {
        let apps = town.get("/apps.json").await;
        match apps["registering"]["webhook"].as_bool() {
            Some(true) => Ok(apps),
            _ => Err(apps.to_string()),
        }
    })
    .await;
    let waits = &apps["registering"];
    let sentence = waits["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("dploy.app:2:11: app_name"),
        "{sentence}"
    );
    assert!(sentence.contains("\"changeme\" would do"), "{sentence}");
    assert_eq!(
        (&waits["repository"], &waits["branch"]),
        (&json!("acme/shop"), &json!("dcos"))
    );
    assert_eq!(apps["apps"], json!([]));
    let page = town.http.get(town.url()).header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("acme/shop at dcos waits to be registered"),
        "{page}"
    );
    assert!(
        page.contains("Its webhook is registered already."),
        "{page}"
    );
    let status = town.get("/status").await;
    let never = "0001-01-01T00:00:00Z";
    let expected = json!({"owner": "acme", "repo": "shop", "branch": "dcos", "pubnode": "", "lastdeploy": never});
    assert_eq!(status, expected);
    let before = hooks(&town).await;
    assert_eq!(before.len(), 1, "{before:?}");

    town.write("dploy.app", "app_name: [\n");
    town.push("worse");
    let hook = before[0]["id"].to_string();
    until("GitHub's delivery says why too", async || {
        let deliveries = format!("/repos/acme/shop/hooks/{hook}/deliveries");
        let list = github(&town, &deliveries).await;
        let push = list
            .as_array()
            .unwrap()
            .iter()
            .find(|d| d["event"] == "push");
        let id = &push.ok_or("no push was delivered")?["id"];
        let delivery = github(&town, &format!("{deliveries}/{id}")).await;
        let said = delivery["response"]["payload"].as_str().unwrap_or_default();
        let why = "It is tried again now; until then the app cannot be registered: dploy.app:";
        if said.contains(why) {
            Ok(())
        } else {
            Err(delivery.to_string())
        }
    })
    .await;

    moves_with_a_start(&mut town, &before[0]).await;
    town.write("dploy.app", "app_name: shop\n");
    town.push("as it must be");
    assert_eq!(town.ended(1).await["state"], "succeeded");
    until("the webhook is the app's", async || {
        let app = town.app().await;
        let hook = &app["hook"];
        if hook["id"] == before[0]["id"] && hook["failure"].is_null() {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(hooks(&town).await.len(), 1);
    is_pinged(&town).await;
    let apps = town.get("/apps.json").await;
    assert_eq!(apps["registering"], Value::Null);
    let last = town.get("/status").await["lastdeploy"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(last.starts_with("20") && last.ends_with('Z'), "{last}");
    town.stop().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_of_the_app_that_is_set_and_only_for_who_may_see_it() {
    let mut town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    // another app, which comes first by its name
    let other = town
        .github
        .create_repository("acme", "another", "dcos")
        .await;
    other.unwrap();
    town.git(&[
        "remote",
        "add",
        "other",
        &format!("{}/acme/another.git", town.github.url()),
    ]);
    town.write("dploy.app", "app_name: another\n");
    town.spec("web", &service("/another/web", 1, ""));
    town.git(&["commit", "-qam", "another"]);
    town.git(&["push", "-q", "other", "HEAD:dcos"]);
    let body = json!({"repository": "acme/another", "branch": "dcos"});
    assert_eq!(town.post("/apps", &body).await.0, 201);
    let status = town.get("/status").await;
    assert_eq!(
        (&status["owner"], &status["repo"]),
        (&json!("acme"), &json!("shop"))
    );
    for (path, action) in [("/register", "register"), ("/reset", "remove")] {
        let refused = town.get(path).await;
        assert_eq!(
            (&refused["status"], &refused["code"]),
            (&json!(410), &json!("moved"))
        );
        let detail = refused["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("POST /apps/shop/hook/{action}")),
            "{detail}"
        );
    }
    assert_eq!(hooks(&town).await.len(), 1, "/reset removed nothing");
    // where GitHub is silent, what it said last holds
    town.stop().await;
    town.github.faults().down(true);
    town.start().await;
    let url = format!("{}/status", town.url());
    let answer = town.http.get(&url).send().await.unwrap();
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(seen, status);
    town.github.faults().down(false);
    town.stop().await;
    town.end().await;
}
