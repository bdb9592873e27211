//! What operators do, and what nobody else can: rollback, pin, lock, cancel, scale, destroy; forged calls.

use dploy_observer::secret::Secret;
use dploy_observer::signature::sign;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::town::{PAT, TOKEN, Town, service};
use test_kit::wait::until;

async fn two_versions() -> (Town, String, String) {
    two_versions_with(&[]).await
}

async fn two_versions_with(settings: &[&str]) -> (Town, String, String) {
    let specs = [
        ("web", service("/shop/web", 1, "")),
        ("api", service("/shop/api", 1, "")),
    ];
    let town = Town::with_settings(&specs, settings).await;
    town.event_until("hook_pinged").await;
    let first = town.git(&["rev-parse", "HEAD"]);
    town.spec("web", &service("/shop/web", 2, ""));
    let second = town.push("web: version 2");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    (town, first, second)
}

async fn state_is(town: &Town, state: &str) {
    until(&format!("the app is {state}"), async || {
        let app = town.app().await;
        if app["state"] == state {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_stays_rolled_back_until_the_next_new_commit() {
    // by webhook alone: a delivery of what the poll knew already leaves nothing behind that tells it again later
    let (mut town, first, second) = two_versions_with(&["--poll=3600"]).await;
    town.github.faults().down(true);
    let (status, body) = town
        .post(
            "/apps/shop/rollback",
            &json!({"to": &first[..7], "reason": "checkout 500s"}),
        )
        .await;
    assert_eq!((status, body["deploy"].as_u64()), (202, Some(3)), "{body}");
    assert_eq!(
        town.ended(3).await["state"],
        "succeeded",
        "it works while GitHub is down"
    );
    assert_eq!(town.version("/shop/web").await, "1");
    town.github.faults().down(false);
    // an old push delivered again under the same and under a new name, the poll, and a restart
    assert_eq!(redeliver_all(&town).await, 1);
    town.stop().await;
    town.start().await;
    until("the branch was asked after the restart", async || {
        let hook = town.get("/apps/shop/hook.json").await;
        hook["polled_at"]
            .as_str()
            .map(|_| ())
            .ok_or_else(|| hook.to_string())
    })
    .await;
    let app = town.app().await;
    assert_eq!(
        (app["state"].as_str(), app["pin"]["reason"].as_str()),
        (Some("pinned"), Some("checkout 500s")),
        "{app}"
    );
    assert_eq!(app["head"]["commit"], second.as_str());
    assert_eq!(town.version("/shop/web").await, "1");
    town.event_until("hook_repaired").await;
    town.spec("web", &service("/shop/web", 3, ""));
    town.push("web: version 3");
    assert_eq!(town.ended(4).await["state"], "succeeded");
    state_is(&town, "following").await;
    assert_eq!(town.version("/shop/web").await, "3");
    // now the older push is no head any more: that its body was seen is all that tells it
    assert!(redeliver_all(&town).await >= 2);
    let deploys = town.app().await["deploys"].as_array().unwrap().len();
    assert_eq!(deploys, 4, "nothing was queued");
    town.end().await;
}

/// What GitHub keeps of a delivery.
#[derive(Deserialize)]
struct Delivery {
    id: u64,
    event: String,
    request: Option<Asked>,
}

#[derive(Deserialize)]
struct Asked {
    /// As it was sent, byte for byte.
    payload: Box<RawValue>,
}

async fn of_github<T: DeserializeOwned>(town: &Town, path: &str) -> T {
    let url = format!("{}/repos/acme/shop/hooks{path}", town.github.url());
    let request = town.http.get(url).bearer_auth(PAT);
    let answer = request.header("user-agent", "test").send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// Each push that GitHub told comes again: from GitHub, under its GUID, and the same body under a GUID that nobody saw. None of them
/// is news; answers how many there were.
async fn redeliver_all(town: &Town) -> usize {
    let hooks: Value = of_github(town, "").await;
    let hook = hooks[0]["id"].as_u64().unwrap();
    let list: Vec<Delivery> = of_github(town, &format!("/{hook}/deliveries")).await;
    let store = &town.observer.as_ref().unwrap().store;
    let secret = store.hook_secrets(town.repository).await.unwrap()[0].clone();
    let pushes: Vec<&Delivery> = list.iter().filter(|d| d.event == "push").collect();
    for delivery in &pushes {
        let path = format!("/{hook}/deliveries/{}", delivery.id);
        let url = format!("{}/repos/acme/shop/hooks{path}/attempts", town.github.url());
        let again = town.http.post(url).bearer_auth(PAT);
        let again = again.header("user-agent", "test").send().await.unwrap();
        assert_eq!(again.status(), 202);
        let whole: Delivery = of_github(town, &path).await;
        let body = whole.request.unwrap().payload.get().to_owned();
        let renamed = town
            .http
            .post(format!("{}/dploy", town.url()))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
            .header("x-github-hook-installation-target-id", town.repository)
            .header("x-hub-signature-256", sign(&secret, body.as_bytes()))
            .body(body);
        let answer = renamed.send().await.unwrap();
        let (status, words) = (answer.status().as_u16(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{words}");
        assert!(words.contains("Duplicate"), "{words}");
    }
    town.github.settle().await;
    pushes.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_shows_its_plan_first_and_refuses_a_stale_one() {
    let (town, first, second) = two_versions().await;
    let (status, plan) = town
        .post("/apps/shop/rollback", &json!({"to": "#1", "dry_run": true}))
        .await;
    assert_eq!(status, 200, "{plan}");
    assert_eq!(
        (
            plan["to"]["commit"].as_str(),
            plan["from"]["commit"].as_str()
        ),
        (Some(first.as_str()), Some(second.as_str()))
    );
    assert_eq!(plan["undoes"], json!([second]));
    assert_eq!(
        plan["services"].as_array().unwrap().len(),
        1,
        "only what changes: {plan}"
    );
    assert_eq!(
        (
            &plan["services"][0]["id"],
            &plan["services"][0]["diff"][0]["path"]
        ),
        (&json!("/shop/web"), &json!("/cmd"))
    );
    assert!(
        town.events()
            .await
            .iter()
            .all(|e| e["kind"] != "rollback_requested"),
        "a dry run does nothing"
    );
    town.post("/apps/shop/lock", &json!({"reason": "night"}))
        .await;
    let (status, problem) = town.post("/apps/shop/rollback", &json!({"to": "#1"})).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (423, Some("locked")),
        "{problem}"
    );
    town.post("/apps/shop/unlock", &json!({})).await;
    town.spec("api", &service("/shop/api", 2, ""));
    town.push("api");
    town.ended(3).await;
    let (status, problem) = town
        .post(
            "/apps/shop/rollback",
            &json!({"to": "#1", "plan": plan["plan"]}),
        )
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("plan_stale")),
        "{problem}"
    );
    assert_eq!(
        problem["plan"]["services"].as_array().unwrap().len(),
        2,
        "with the plan that holds now: {problem}"
    );
    let (status, body) = town
        .post(
            "/apps/shop/rollback",
            &json!({"to": "#1", "plan": problem["plan"]["plan"]}),
        )
        .await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(town.ended(4).await["state"], "succeeded");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_asked_for_twice_with_one_key_happens_once() {
    let (town, first, _) = two_versions().await;
    let ask = async || {
        let request = town
            .http
            .post(format!("{}/apps/shop/rollback", town.url()))
            .bearer_auth(TOKEN)
            .header("idempotency-key", "k1");
        let answer = request
            .json(&json!({"commit": first}))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap()["deploy"].as_u64(),
        )
    };
    assert_eq!(ask().await, (202, Some(3)));
    town.ended(3).await;
    assert_eq!(
        ask().await,
        (202, Some(3)),
        "the same answer, and nothing new"
    );
    assert_eq!(
        town.kinds()
            .await
            .iter()
            .filter(|k| *k == "rollback_requested")
            .count(),
        1
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_service_rolls_back_alone() {
    let (town, ..) = two_versions().await;
    town.spec("api", &service("/shop/api", 2, ""));
    town.push("api");
    town.ended(3).await;
    let (status, body) = town
        .post("/apps/shop/web/rollback", &json!({"to": "#1"}))
        .await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(town.ended(4).await["state"], "succeeded");
    assert_eq!(
        (
            town.version("/shop/web").await,
            town.version("/shop/api").await
        ),
        ("1".to_owned(), "2".to_owned())
    );
    assert_eq!(town.app().await["state"], "pinned");
    let (status, _) = town
        .post("/apps/%2Fshop%2Fweb/rollback", &json!({"to": "#2"}))
        .await;
    assert_eq!(status, 202);
    town.ended(5).await;
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rolled_back_to_is_refused_with_the_reason() {
    let (town, ..) = two_versions().await;
    for (to, status) in [
        ("#99", 422),
        ("deadbeef", 422),
        ("nonsense!", 422),
        ("", 422),
    ] {
        let (got, problem) = town.post("/apps/shop/rollback", &json!({"to": to})).await;
        assert_eq!(got, status, "{to}: {problem}");
        assert!(
            problem["detail"].as_str().is_some_and(|d| d.len() > 10),
            "{problem}"
        );
    }
    let (status, _) = town
        .post("/apps/nobody/rollback", &json!({"to": "#1"}))
        .await;
    assert_eq!(status, 404);
    let (status, problem) = town
        .post("/apps/shop/rollback", &json!({"too": "#1"}))
        .await;
    assert_eq!(status, 422);
    assert!(
        problem["detail"].as_str().unwrap().contains("too"),
        "{problem}"
    );
    // pushed to another branch, never an ancestor of the trigger branch
    town.git(&["checkout", "-q", "-b", "other"]);
    town.git(&["commit", "-q", "--allow-empty", "-m", "aside"]);
    town.git(&["push", "-q", "origin", "other"]);
    let aside = town.git(&["rev-parse", "HEAD"]);
    let (status, problem) = town
        .post("/apps/shop/rollback", &json!({"to": aside}))
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("not_rollbackable"))
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("not an ancestor"),
        "{problem}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_holds_pushes_and_unlocking_deploys_the_head_once() {
    let (town, ..) = two_versions().await;
    let (status, problem) = town.post("/apps/shop/lock", &json!({})).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (422, Some("invalid")),
        "a lock needs a reason"
    );
    town.post("/apps/shop/lock", &json!({"reason": "inventory"}))
        .await;
    for version in [3, 4] {
        town.spec("web", &service("/shop/web", version, ""));
        town.push("locked out");
        town.github.settle().await;
    }
    state_is(&town, "locked").await;
    assert_eq!(town.version("/shop/web").await, "2");
    assert!(
        town.app().await["sentence"]
            .as_str()
            .unwrap()
            .contains("inventory")
    );
    let (status, body) = town.post("/apps/shop/unlock", &json!({})).await;
    assert_eq!(
        (status, body["deploy"].as_u64()),
        (202, Some(3)),
        "one deploy of the head: {body}"
    );
    town.ended(3).await;
    assert_eq!(town.version("/shop/web").await, "4");
    town.end().await;
}

/// What each action would come to, which nobody takes part in; answers the plans of unlocking, scaling, and destroying but for the services.
async fn shown_of_everything(town: &Town) -> [Value; 3] {
    let events = town.events().await.len();
    let dry = json!({"dry_run": true});
    let shown = async |action: &str, body: &Value| {
        let (status, plan) = town.post(&format!("/apps/shop/{action}"), body).await;
        assert_eq!(status, 200, "{action}: {plan}");
        plan
    };
    let unlock = shown("unlock", &dry).await;
    assert_eq!(change(&unlock).as_deref(), Some("update"), "{unlock}");
    assert!(
        unlock["also"].to_string().contains("not locked any more"),
        "{unlock}"
    );
    let deploy = shown("deploy", &dry).await;
    assert_eq!(change(&deploy).as_deref(), Some("update"), "{deploy}");
    let pins = shown("redeploy", &json!({"deploy": 1, "dry_run": true})).await;
    assert!(pins["also"].to_string().contains("is pinned to"), "{pins}");
    let resume = shown("resume", &dry).await;
    assert_eq!(change(&resume), None, "nothing is pinned: {resume}");
    let scale = json!({"service": "/shop/web", "instances": 3, "dry_run": true});
    let scale = shown("scale", &scale).await;
    assert_eq!(
        scale["services"][0]["diff"][0],
        json!({"path": "/instances", "from": 1, "to": 3})
    );
    let adopt = shown("adopt", &dry).await;
    assert_eq!(change(&adopt).as_deref(), Some("update"), "{adopt}");
    let (status, destroy) = gone(town, "dry_run=true").await;
    assert_eq!(
        (status, change(&destroy).as_deref()),
        (200, Some("remove")),
        "{destroy}"
    );
    assert!(
        destroy["also"].to_string().contains("the webhook"),
        "{destroy}"
    );
    let (_, kept) = gone(town, "dry_run=true&keep_services=true").await;
    assert_eq!(change(&kept).as_deref(), Some("left"), "{kept}");
    assert_eq!(
        town.events().await.len(),
        events,
        "nothing happened by looking"
    );
    [unlock, scale, kept]
}

async fn gone(town: &Town, query: &str) -> (u16, Value) {
    let call = town
        .http
        .delete(format!("{}/apps/shop?{query}", town.url()));
    let answer = call.bearer_auth(TOKEN).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn change(plan: &Value) -> Option<String> {
    plan["services"][0]["change"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_what_runs_is_shown_first_and_done_only_as_it_was_shown() {
    let (town, ..) = two_versions().await;
    town.post("/apps/shop/lock", &json!({"reason": "inventory"}))
        .await;
    town.spec("web", &service("/shop/web", 3, ""));
    town.push("held");
    town.github.settle().await;
    state_is(&town, "locked").await;
    let [unlock, scale, kept] = shown_of_everything(&town).await;
    // what was shown of one thing is no word for another
    for (action, body) in [
        ("unlock", json!({"plan": scale["plan"]})),
        ("adopt", json!({"plan": unlock["plan"]})),
        (
            "scale",
            json!({"service": "/shop/web", "instances": 4, "override_lock": true, "plan": scale["plan"]}),
        ),
    ] {
        let (status, problem) = town.post(&format!("/apps/shop/{action}"), &body).await;
        assert_eq!(
            (status, problem["code"].as_str()),
            (409, Some("plan_stale")),
            "{action}: {problem}"
        );
        assert!(problem["plan"]["plan"].is_string(), "{problem}");
    }
    let plan = |of: &Value| of["plan"].as_str().unwrap().to_owned();
    let (status, problem) = gone(&town, &format!("override_lock=true&plan={}", plan(&kept))).await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("plan_stale")),
        "{problem}"
    );
    // the head moves while somebody reads
    town.spec("web", &service("/shop/web", 4, ""));
    town.push("newer");
    town.github.settle().await;
    let (status, problem) = town
        .post("/apps/shop/unlock", &json!({"plan": plan(&unlock)}))
        .await;
    assert_eq!(
        (status, problem["code"].as_str()),
        (409, Some("plan_stale")),
        "{problem}"
    );
    assert_eq!(change(&problem["plan"]).as_deref(), Some("update"));
    let (status, queued) = town
        .post(
            "/apps/shop/unlock",
            &json!({"plan": problem["plan"]["plan"]}),
        )
        .await;
    assert_eq!(
        (status, queued["deploy"].as_u64()),
        (202, Some(3)),
        "{queued}"
    );
    town.ended(3).await;
    assert_eq!(town.version("/shop/web").await, "4");
    let (_, destroy) = gone(&town, "dry_run=true").await;
    let (status, done) = gone(&town, &format!("plan={}", plan(&destroy))).await;
    assert_eq!(
        (status, done["state"].as_str()),
        (200, Some("destroyed")),
        "{done}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_ends_at_its_time_also_where_nobody_was_there_to_see_it() {
    let (mut town, ..) = two_versions().await;
    let soon = || {
        let end = dploy_observer::clock::system().now() + std::time::Duration::from_secs(2);
        json!({"reason": "a moment", "until": end})
    };
    for (body, why) in [
        (
            json!({"reason": "x", "until": "2020-01-01T00:00:00Z"}),
            "over already",
        ),
        (json!({"reason": "x", "until": "soon"}), "is no time"),
    ] {
        let (status, problem) = town.post("/apps/shop/lock", &body).await;
        assert!(
            status == 422 && problem.to_string().contains(why),
            "{problem}"
        );
    }
    for (version, deploy) in [(3, 3), (4, 4)] {
        assert_eq!(town.post("/apps/shop/lock", &soon()).await.0, 200);
        let lock = town.app().await["lock"].clone();
        assert!(lock["until"].is_string(), "{lock}");
        town.spec("web", &service("/shop/web", version, ""));
        town.push("while it is locked");
        town.github.settle().await;
        if deploy == 4 {
            town.stop().await;
            town.start().await;
        }
        town.ended(deploy).await;
        let ended = town.event_until("app_unlocked").await;
        assert_eq!(ended["actor"], "observer", "{ended}");
        assert_eq!(town.version("/shop/web").await, version.to_string());
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_scaled_and_a_push_keeps_the_count() {
    let (town, ..) = two_versions().await;
    let (status, body) = town
        .post(
            "/apps/shop/scale",
            &json!({"service": "/shop/web", "instances": 3}),
        )
        .await;
    assert_eq!(status, 200, "{body}");
    until("three run", async || {
        let n = town.tasks("/shop/web").await.len();
        if n == 3 { Ok(()) } else { Err(n.to_string()) }
    })
    .await;
    town.spec("web", &service("/shop/web", 3, ""));
    town.push("web: version 3");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(town.tasks("/shop/web").await.len(), 3);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_leaves_no_service_and_no_hook_and_says_so() {
    let (mut town, ..) = two_versions().await;
    let answer = town
        .http
        .delete(format!("{}/apps/shop", town.url()))
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["state"], "destroyed");
    let done = body["done"].as_array().unwrap();
    let (services, hook) = done.split_at(2);
    assert_eq!(
        services,
        ["/shop/api was removed", "/shop/web was removed"],
        "{body}"
    );
    assert!(
        hook[0].as_str().unwrap().starts_with("the webhook "),
        "{body}"
    );
    nothing_is_left(&town).await;
    town.stop().await;
    town.start().await;
    until("the start was looked at", async || {
        let answer = town
            .http
            .get(format!("{}/readyz", town.url()))
            .send()
            .await
            .map_err(|e| e.to_string())?;
        if answer.status() == 200 {
            Ok(())
        } else {
            Err(answer.status().to_string())
        }
    })
    .await;
    assert_eq!(
        town.app().await["state"],
        "destroyed",
        "a restart with the same settings does not bring it back"
    );
    let (status, body) = town
        .post(
            "/apps",
            &json!({"repository": "acme/shop", "branch": "dcos"}),
        )
        .await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(
        town.ended(3).await["state"],
        "succeeded",
        "numbering goes on"
    );
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

async fn nothing_is_left(town: &Town) {
    assert_eq!(town.marathon("/v2/apps").await["apps"], json!([]));
    assert_eq!(hooks(town).await, json!([]));
}

async fn hooks(town: &Town) -> Value {
    let url = format!("{}/repos/acme/shop/hooks", town.github.url());
    town.http
        .get(url)
        .bearer_auth(PAT)
        .header("user-agent", "test")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_that_was_interrupted_goes_on_after_the_restart() {
    let (mut town, ..) = two_versions().await;
    town.github.faults().down(true);
    let request = town
        .http
        .delete(format!("{}/apps/shop", town.url()))
        .bearer_auth(TOKEN)
        .timeout(std::time::Duration::from_secs(3));
    assert!(
        request.send().await.is_err(),
        "the hook cannot be removed while GitHub is down"
    );
    town.event_until("hook_failed").await;
    town.stop().await;
    town.github.faults().down(false);
    town.start().await;
    state_is(&town, "destroyed").await;
    nothing_is_left(&town).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_refuses_to_register_again_and_takes_back_a_hook_that_is_made_meanwhile() {
    let (mut town, ..) = two_versions().await;
    let (status, body) = town.post("/apps/shop/hook/remove", &json!({})).await;
    assert_eq!(status, 200, "{body}");
    // as long as Marathon is away, the destroy goes on
    town.marathon.take().unwrap().stop().await;
    let request = town
        .http
        .delete(format!("{}/apps/shop", town.url()))
        .bearer_auth(TOKEN)
        .timeout(std::time::Duration::from_secs(2));
    assert!(request.send().await.is_err());
    state_is(&town, "destroying").await;
    let again = json!({"repository": "acme/shop", "branch": "dcos"});
    let (status, body) = town.post("/apps", &again).await;
    assert_eq!(
        (status, &body["code"]),
        (409, &json!("destroying")),
        "{body}"
    );
    let (status, body) = town.post("/apps/shop/hook/register", &json!({})).await;
    assert_eq!((status, &body["id"]), (200, &Value::Null), "{body}");
    assert_eq!(hooks(&town).await, json!([]));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_of_one_service_a_lock_in_the_moment_of_resuming_holds_nothing_for_ever() {
    let (town, ..) = two_versions().await;
    let (status, body) = town
        .post("/apps/shop/web/rollback", &json!({"to": "#1"}))
        .await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "1");
    // the head's deploy cannot be planned as long as Marathon is slow: the lock finds it waiting
    let faults = json!({"slow_ms": 1500});
    town.marathon_send("POST", "/local/faults", &faults).await;
    let (status, body) = town.post("/apps/shop/resume", &json!({})).await;
    assert_eq!(status, 202, "{body}");
    let (status, body) = town
        .post("/apps/shop/lock", &json!({"reason": "audit"}))
        .await;
    assert_eq!(status, 200, "{body}");
    let reset = json!({"reset": true});
    town.marathon_send("POST", "/local/faults", &reset).await;
    assert_eq!(town.ended(4).await["state"], "cancelled");
    let (status, body) = town.post("/apps/shop/unlock", &json!({})).await;
    assert_eq!(status, 202, "{body}");
    assert_eq!(town.ended(5).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_somebody_relabelled_is_left_alone_by_destroy_and_named() {
    let (town, ..) = two_versions().await;
    let theirs = json!({"labels": {"DPLOY": "other"}});
    let (status, body) = town
        .marathon_send("PUT", "/v2/apps/shop/api?force=true", &theirs)
        .await;
    assert_eq!(status, 200, "{body}");
    let request = town.http.delete(format!("{}/apps/shop", town.url()));
    let answer = request.bearer_auth(TOKEN).send().await.unwrap();
    let body: Value = answer.json().await.unwrap();
    assert!(
        body["done"][0] == "/shop/web was removed"
            && body["open"][0]
                .as_str()
                .unwrap()
                .starts_with("/shop/api runs on"),
        "{body}"
    );
    let sentence = body["sentence"].as_str().unwrap();
    assert!(
        sentence
            .starts_with("1 service removed; left alone, as not this app's any more: /shop/api"),
        "{sentence}"
    );
    assert_eq!(town.version("/shop/api").await, "1");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_an_earlier_definition_are_not_adopted_as_right() {
    let (town, ..) = two_versions().await;
    let mut crashes = service("/shop/web", 3, "");
    crashes["cmd"] = json!("sleep 0.2; exit 3");
    town.spec("web", &crashes);
    town.push("crashes");
    assert_eq!(town.ended(3).await["state"], "failed");
    let url = format!("{}/apps/shop?keep_services=true", town.url());
    let answer = town.http.delete(url).bearer_auth(TOKEN).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    let again = json!({"repository": "acme/shop", "branch": "dcos"});
    let (status, body) = town.post("/apps", &again).await;
    assert_eq!(status, 201, "{body}");
    let deploy = town.ended(4).await;
    let sentence = deploy["sentence"].as_str().unwrap_or_default();
    assert!(
        sentence.contains("/shop/web has instances of an earlier definition"),
        "{deploy}"
    );
    assert_eq!(town.version("/shop/web").await, "2", "the old one runs on");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_the_log_does_not_know_are_known_after_the_first_success_and_counted_by_destroy()
 {
    for pushes in [false, true] {
        let (town, ..) = two_versions().await;
        let url = format!("{}/apps/shop?keep_services=true", town.url());
        let answer = town.http.delete(url).bearer_auth(TOKEN).send().await;
        assert_eq!(answer.unwrap().status(), 200);
        // so that the first start is held
        let edit = json!({"env": {"BY": "hand"}});
        let (status, body) = town.marathon_send("PUT", "/v2/apps/shop/web", &edit).await;
        assert_eq!(status, 200, "{body}");
        let again = json!({"repository": "acme/shop", "branch": "dcos"});
        let (status, body) = town.post("/apps", &again).await;
        assert_eq!(status, 201, "{body}");
        assert_eq!(town.ended(3).await["state"], "cancelled");
        if pushes {
            town.spec("web", &service("/shop/web", 3, ""));
            town.push("web: version 3");
            assert_eq!(town.ended(4).await["state"], "succeeded");
            let app = town.get("/apps/shop.json").await;
            let ids: Vec<&Value> = app["services"]
                .as_array()
                .unwrap()
                .iter()
                .map(|s| &s["id"])
                .collect();
            assert_eq!(ids, ["/shop/api", "/shop/web"], "{app}");
        }
        let request = town.http.delete(format!("{}/apps/shop", town.url()));
        let answer = request.bearer_auth(TOKEN).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        let sentence = body["sentence"].as_str().unwrap();
        assert!(sentence.starts_with("2 services removed;"), "{body}");
        nothing_is_left(&town).await;
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_kept_although_the_app_of_the_settings_cannot_be_registered() {
    let (mut town, ..) = two_versions().await;
    town.stop().await;
    let hook = hooks(&town).await[0]["id"].clone();
    let url = format!("{}/repos/acme/shop/hooks/{hook}", town.github.url());
    let gone = town
        .http
        .delete(url)
        .bearer_auth(PAT)
        .header("user-agent", "test");
    assert_eq!(gone.send().await.unwrap().status(), 204);
    town.extra.push("--repo=missing".to_owned());
    town.start().await;
    until("the hook is there again", async || {
        let seen = hooks(&town).await;
        if seen.as_array().is_some_and(|h| h.len() == 1) {
            Ok(())
        } else {
            Err(seen.to_string())
        }
    })
    .await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destroy_removes_the_hook_that_was_never_written_down() {
    let (town, ..) = two_versions().await;
    let (status, body) = town.post("/apps/shop/hook/remove", &json!({})).await;
    assert_eq!(status, 200, "{body}");
    // as it is after a kill between the call that makes a hook and the event
    let config = json!({"url": format!("{}/dploy", town.url()), "content_type": "json"});
    let made = town
        .http
        .post(format!("{}/repos/acme/shop/hooks", town.github.url()))
        .bearer_auth(PAT)
        .header("user-agent", "test")
        .json(&json!({"name": "web", "active": true, "events": ["push"], "config": config}));
    assert_eq!(made.send().await.unwrap().status(), 201);
    let answer = town
        .http
        .delete(format!("{}/apps/shop", town.url()))
        .bearer_auth(TOKEN);
    assert_eq!(answer.send().await.unwrap().status(), 200);
    nothing_is_left(&town).await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_request_gets_nothing_in() {
    let (town, ..) = two_versions().await;
    let before = town.events().await.len();
    let body = json!({"ref": "refs/heads/dcos", "before": "0".repeat(40), "after": "a".repeat(40), "repository": {"id": town.repository}}).to_string();
    let wrong = sign(&Secret::new("wrong"), body.as_bytes());
    let other = sign(&Secret::new("wrong"), b"other bytes");
    let sha1 = format!("sha1={}", "0".repeat(40));
    let signatures = [
        None,
        Some(wrong.as_str()),
        Some(other.as_str()),
        Some(sha1.as_str()),
        Some("sha256=zz"),
        Some(""),
    ];
    for signature in signatures {
        let mut request = town
            .http
            .post(format!("{}/dploy", town.url()))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", "forged");
        if let Some(signature) = signature {
            request = request.header("x-hub-signature-256", signature);
        }
        let answer = request
            .header("x-hub-signature", &sha1)
            .body(body.clone())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{signature:?}");
    }
    let unknown = town
        .http
        .post(format!("{}/dploy", town.url()))
        .header("x-github-hook-installation-target-id", "7")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 401);
    for token in ["", "wrong", &format!("{TOKEN}x")] {
        let answer = town
            .http
            .post(format!("{}/apps/shop/rollback", town.url()))
            .bearer_auth(token)
            .json(&json!({"to": "#1"}))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 401, "{token}");
    }
    let none = town
        .http
        .delete(format!("{}/apps/shop", town.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(none.status(), 401);
    let crossed = town
        .http
        .post(format!("{}/apps/shop/lock", town.url()))
        .bearer_auth(TOKEN)
        .header("origin", "https://evil.example")
        .header("sec-fetch-site", "cross-site")
        .json(&json!({"reason": "x"}))
        .send()
        .await
        .unwrap();
    assert_eq!(crossed.status(), 403);
    let new: Vec<Value> = town.events().await.split_off(before);
    assert!(
        new.iter().all(|e| e["kind"] == "request_refused"),
        "{new:?}"
    );
    let mut reasons: Vec<&str> = new
        .iter()
        .map(|e| e["payload"]["reason"].as_str().unwrap())
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            "a token that is not ours",
            "no signature",
            "unknown repository",
            "wrong signature"
        ],
        "one each, however often"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_delivery_of_github_itself_is_refused_and_the_poll_finds_the_push() {
    let (town, ..) = two_versions().await;
    town.github.faults().forge(1);
    town.spec("web", &service("/shop/web", 3, ""));
    town.push("forged on the way");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    let push = town
        .events()
        .await
        .into_iter()
        .rfind(|e| e["kind"] == "push_received")
        .unwrap();
    assert_eq!(push["payload"]["via"], "poll");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_gives_a_session_and_a_cross_site_post_gives_nothing() {
    let (town, ..) = two_versions().await;
    let login = |token: &'static str| {
        town.http
            .post(format!("{}/login", town.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={token}&next=%2Fapps%2Fshop"))
            .send()
    };
    assert_eq!(login("wrong").await.unwrap().status(), 401);
    let answer = login(TOKEN).await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(answer.headers()["location"], "/apps/shop");
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    let session = cookie.split(';').next().unwrap().to_owned();
    let lock = |origin: String| {
        town.http
            .post(format!("{}/apps/shop/lock", town.url()))
            .header("cookie", &session)
            .header("origin", origin)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body("reason=by+form")
            .send()
    };
    assert_eq!(
        lock("https://evil.example".to_owned())
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(town.app().await["lock"], Value::Null);
    assert_eq!(
        lock(town.url().to_owned()).await.unwrap().status(),
        303,
        "the form goes back to a page"
    );
    assert_eq!(town.app().await["lock"]["by"], "operator:operator");
    town.end().await;
}

/// Logs in; the cookie of the session.
async fn logged_in(town: &Town, token: &str) -> String {
    let login = town.http.post(format!("{}/login", town.url()));
    let login = login.header("content-type", "application/x-www-form-urlencoded");
    let answer = login.body(format!("token={token}")).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_of_the_name_ends_the_sessions_of_the_one_before() {
    let (mut town, ..) = two_versions().await;
    let port = town.url().rsplit(':').next().unwrap().to_owned();
    let session = logged_in(&town, TOKEN).await;
    assert!(
        session.starts_with(&format!("dploy_session_{port}=")),
        "named for the port: {session}"
    );
    let (_, id) = session.split_once('=').unwrap();
    let page = async |town: &Town| {
        // a browser would find it again at the same port
        let port = town.url().rsplit(':').next().unwrap();
        let cookie = format!("dploy_session_{port}={id}");
        let get = town.http.get(format!("{}/apps/shop/destroy", town.url()));
        let get = get
            .header("cookie", cookie)
            .header("accept", "application/json");
        get.send().await.unwrap().status().as_u16()
    };
    assert_eq!(page(&town).await, 200);
    town.stop().await;
    town.start().await;
    assert_eq!(page(&town).await, 200, "a restart alone ends nothing");
    town.stop().await;
    town.extra = vec!["--token=another-token-of-this-name".to_owned()];
    town.start().await;
    assert_eq!(page(&town).await, 401);
    let session = logged_in(&town, "another-token-of-this-name").await;
    let get = town.http.get(format!("{}/apps/shop/destroy", town.url()));
    let get = get.header("cookie", &session).header("accept", "text/html");
    assert_eq!(get.send().await.unwrap().status(), 200);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_for_somebody_else_are_none_and_who_is_logged_in_is_not_told_to_log_in() {
    let (town, ..) = two_versions().await;
    let basic = town.http.get(format!("{}/apps/shop", town.url()));
    let basic = basic
        .header("authorization", "Basic dTpw")
        .send()
        .await
        .unwrap();
    assert_eq!(basic.status(), 200, "anonymous, as without");
    let session = logged_in(&town, TOKEN).await;
    let stale = town.http.post(format!("{}/apps/shop/rollback", town.url()));
    let stale = stale
        .header("cookie", &session)
        .header("origin", town.url())
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("to=%231&plan=0123&reason=x");
    let answer = stale.send().await.unwrap();
    assert_eq!(answer.status(), 409);
    let page = answer.text().await.unwrap();
    assert!(
        page.contains("Log out") && !page.contains("Log in"),
        "{page}"
    );
    // what is done to the webhook has a name in the log
    let (status, said) = town.post("/apps/shop/hook/remove", &json!({})).await;
    assert_eq!(status, 200, "{said}");
    let (status, said) = town.post("/apps/shop/hook/register", &json!({})).await;
    assert_eq!(status, 200, "{said}");
    let events = town.get("/events.json?app=shop&limit=100").await;
    let events = events["events"]
        .as_array()
        .unwrap_or_else(|| panic!("{events}"))
        .iter();
    let by = |kind: &str| {
        let mut of = events.clone().filter(|e| e["kind"] == kind);
        of.any(|e| e["actor"] == "operator:operator")
    };
    assert!(by("hook_removed") && by("hook_registered"));
    town.end().await;
}
