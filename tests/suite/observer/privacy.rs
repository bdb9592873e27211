//! What belongs to a private repository is shown to operators only, everywhere; a public app beside it stays readable.

use serde_json::{Value, json};
use test_kit::wait::until;

use crate::support::town::{PAT, TOKEN, Town, WEAK_PAT, service};

/// Makes a repository of the town private or public at GitHub.
async fn hide(town: &Town, repository: &str, private: bool) {
    let url = format!("{}/repos/{repository}", town.github.url());
    let call = town.http.patch(url).bearer_auth(PAT);
    let call = call.header("user-agent", "test");
    let answer = call.json(&json!({"private": private})).send().await;
    assert_eq!(answer.unwrap().status(), 200);
}

/// An answer to nobody in particular, or to the operator.
async fn seen(town: &Town, path: &str, operator: bool) -> (u16, String) {
    let mut call = town.http.get(format!("{}{path}", town.url()));
    if operator {
        call = call.bearer_auth(TOKEN);
    }
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Another app of the town, of a repository of its own. Answers its commit.
pub async fn another_app(town: &Town, name: &str, private: bool) -> String {
    let repository = format!("acme/{name}");
    let made = town.github.create_repository("acme", name, "dcos");
    made.await.unwrap();
    if private {
        hide(town, &repository, true).await;
    }
    let url = format!("{}/{repository}.git", town.github.url());
    town.git(&["checkout", "-q", "--orphan", name]);
    town.write("dploy.app", &format!("app_name: {name}\n"));
    town.spec("web", &service(&format!("/{name}/web"), 1, ""));
    town.git(&["add", "-A"]);
    town.git(&["commit", "-qm", &format!("{name} begins")]);
    town.git(&["push", "-q", &url, "HEAD:dcos"]);
    let body = json!({"repository": repository, "branch": "dcos"});
    assert_eq!(town.post("/apps", &body).await.0, 201);
    until(&format!("{name} runs"), async || {
        let (_, app) = seen(town, &format!("/apps/{name}.json"), true).await;
        let app: Value = serde_json::from_str(&app).unwrap();
        if app["live"].is_object() {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    town.git(&["rev-parse", "HEAD"])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_a_private_repository_is_nowhere_to_be_seen_without_a_login() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let commit = another_app(&town, "hidden", true).await;
    for page in [
        "/",
        "/apps.json",
        "/events",
        "/events.json",
        "/events.jsonl",
        "/events.json?app=hidden",
        "/events.jsonl?kind=app_registered",
        "/events.jsonl?actor=operator:operator",
        &format!("/why/{commit}.json"),
        "/status",
        "/register",
        "/readyz",
    ] {
        let (_, text) = seen(&town, page, false).await;
        // what was asked for is repeated, and nothing else
        let told = text.replace("app=hidden", "");
        let told = if page.contains("why") {
            told.replace(&commit, "")
        } else {
            told
        };
        for part in ["hidden", "hidden begins", &commit] {
            assert!(!told.contains(part), "{page} shows {part:?}: {told}");
        }
    }
    // as if it were not there
    for (page, other) in [
        ("/apps/hidden", "/apps/nothere"),
        ("/apps/hidden.json", "/apps/nothere.json"),
        (
            "/apps/hidden/deploys/1.json",
            "/apps/nothere/deploys/1.json",
        ),
        (
            "/apps/hidden/deploys/9.json",
            "/apps/nothere/deploys/9.json",
        ),
        ("/apps/hidden/hook.json", "/apps/nothere/hook.json"),
    ] {
        let (status, text) = seen(&town, page, false).await;
        let nothing = seen(&town, other, false).await.1;
        assert_eq!(status, 404, "{page}: {text}");
        let plain = |text: &str| {
            let lines = text.lines().filter(|l| !l.contains("datetime"));
            lines.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(plain(&text.replace("hidden", "nothere")), plain(&nothing));
    }
    for (page, part) in [
        ("/apps.json", "\"hidden\""),
        ("/apps/hidden.json", "acme/hidden"),
        ("/apps/hidden/deploys/1.json", &commit[..]),
        ("/apps/hidden/hook.json", "/dploy"),
        ("/events.jsonl", "hidden begins"),
        (&format!("/why/{commit}.json"), "hidden"),
    ] {
        let (status, text) = seen(&town, page, true).await;
        assert!(status == 200 && text.contains(part), "{page}: {text}");
    }
    let (status, text) = seen(&town, "/apps.json", false).await;
    let apps: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &apps["apps"][0]["app"]), (200, &json!("shop")));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_becomes_private_takes_its_history_along_and_what_nobody_knows_is_private()
 {
    let mut town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    assert_eq!(seen(&town, "/apps/shop.json", false).await.0, 200);
    let look = json!({});
    hide(&town, "acme/shop", true).await;
    assert_eq!(town.post("/apps/shop/hook/repair", &look).await.0, 200);
    let unseen = async |town: &Town| {
        assert_eq!(seen(town, "/apps/shop.json", false).await.0, 404);
        let events = seen(town, "/events.jsonl", false).await.1;
        assert!(!events.contains("shop"), "{events}");
    };
    unseen(&town).await;
    assert_eq!(seen(&town, "/status", false).await.0, 401);
    let (_, events) = seen(&town, "/events.json?kind=app_changed", true).await;
    let events: Value = serde_json::from_str(&events).unwrap();
    let visibility = |when: &str| &events["events"][0]["payload"][when]["source"]["visibility"];
    assert_eq!(
        (visibility("old"), visibility("new")),
        (&json!("public"), &json!("private"))
    );
    // a start while GitHub is away shows no more than before
    town.stop().await;
    town.github.faults().down(true);
    town.start().await;
    unseen(&town).await;
    assert_eq!(seen(&town, "/status", false).await.0, 401);
    town.github.faults().down(false);
    // to a token that may not see it GitHub says that there is none: nobody knows
    town.stop().await;
    town.extra = vec![format!("--pat={WEAK_PAT}")];
    town.start().await;
    until("GitHub does not show it", async || {
        match seen(&town, "/status", false).await.0 {
            503 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    unseen(&town).await;
    town.stop().await;
    town.extra = Vec::new();
    hide(&town, "acme/shop", false).await;
    town.start().await;
    until("it is public again", async || {
        match seen(&town, "/apps/shop.json", false).await {
            (200, _) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert_eq!(seen(&town, "/status", false).await.0, 200);
    town.end().await;
}
