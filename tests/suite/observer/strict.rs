//! An action does what it was asked for, all of it and nothing else: fields that it does not take, a service where it is of the whole
//! app, a plan that is not any more, and a key that came with something else are refused, and nothing is done. What it shows beforehand
//! shows no secret.

use serde_json::{Value, json};

use crate::support::town::{TOKEN, Town, service};

async fn two_services() -> Town {
    let town = Town::with(&[
        ("web", service("/shop/web", 1, "")),
        ("api", service("/shop/api", 1, "")),
    ])
    .await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.spec("api", &service("/shop/api", 2, ""));
    town.push("two");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    town
}

/// What is written down that acts.
async fn acts(town: &Town) -> usize {
    let kinds = town.kinds().await;
    let quiet = ["request_refused", "service_progressed", "drift_seen"];
    kinds
        .iter()
        .filter(|k| !quiet.contains(&k.as_str()))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_action_does_not_take_is_refused_and_nothing_is_done() {
    let town = two_services().await;
    let before = acts(&town).await;
    for (action, body, field) in [
        (
            "lock",
            json!({"reason": "x", "to": "#1"}),
            "to: lock does not take it; it takes reason",
        ),
        (
            "lock",
            json!({"reason": "x", "dry_run": true}),
            "dry_run: lock",
        ),
        ("resume", json!({"to": "#1"}), "to: resume"),
        (
            "unlock",
            json!({"override_lock": true}),
            "override_lock: unlock",
        ),
        ("cancel", json!({"force": true}), "force: cancel"),
        (
            "scale",
            json!({"service": "/shop/web", "instances": 2, "force": true}),
            "force: scale",
        ),
        (
            "adopt",
            json!({"override_lock": true}),
            "override_lock: adopt",
        ),
        (
            "rollback",
            json!({"to": "#1", "force": true}),
            "force: rollback",
        ),
        ("deploy", json!({"instances": 3}), "instances: deploy"),
        (
            "redeploy",
            json!({"services": ["/shop/web"]}),
            "services: redeploy",
        ),
    ] {
        let (status, refused) = town.post(&format!("/apps/shop/{action}"), &body).await;
        assert_eq!(status, 422, "{action} {body}: {refused}");
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.contains(field), "{action} {body}: {detail}");
    }
    for action in ["cancel", "resume", "lock", "unlock", "adopt"] {
        let path = format!("/apps/%2Fshop%2Fweb/{action}");
        let (status, refused) = town.post(&path, &json!({"reason": "x"})).await;
        assert_eq!(status, 422, "{path}: {refused}");
    }
    let (status, refused) = town
        .post(
            "/apps/%2Fshop%2Fweb/rollback",
            &json!({"to": "#1", "service": "/shop/api"}),
        )
        .await;
    assert_eq!(status, 422, "{refused}");
    assert_eq!(acts(&town).await, before, "{:?}", town.kinds().await);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_in_the_wrong_place_is_refused_and_not_overlooked() {
    let town = two_services().await;
    let before = town.events().await.len();
    for (method, path, body) in [
        ("DELETE", "/apps/shop", r#"{"dry_run": true}"#),
        ("DELETE", "/apps/shop?plan=", ""),
        ("POST", "/apps/shop/lock?dry_run=true", r#"{"reason": "x"}"#),
        (
            "POST",
            "/apps/shop/rollback?dry_run=true",
            r##"{"to": "#1"}"##,
        ),
        (
            "POST",
            "/apps/shop/destroy?dry_run=true",
            r#"{"confirm": "shop"}"#,
        ),
        ("POST", "/apps/shop/destroy", r#"{"confirm": "no"}"#),
        ("POST", "/apps/shop/hook/repair", r#"{"dry_run": true}"#),
        (
            "POST",
            "/apps/shop/rollback",
            r##"{"to": "#1", "plan": ""}"##,
        ),
    ] {
        let url = format!("{}{path}", town.url());
        let call = town
            .http
            .request(method.parse().unwrap(), url)
            .bearer_auth(TOKEN);
        let call = call.header("content-type", "application/json");
        let answer = call.body(body).send().await.unwrap();
        let status = answer.status();
        let said = answer.text().await.unwrap();
        assert_eq!(status, 422, "{method} {path} {body}: {said}");
    }
    assert_eq!(town.events().await.len(), before);
    // a service is written with its slashes plain, whatever is done to it
    let scale = json!({"instances": 1, "dry_run": true});
    assert_eq!(town.post("/apps/shop/web/scale", &scale).await.0, 200);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_service_in_the_body_or_in_the_path_is_that_one_alone() {
    let town = two_services().await;
    let (status, queued) = town
        .post(
            "/apps/shop/rollback",
            &json!({"to": "#1", "service": "/shop/web"}),
        )
        .await;
    assert_eq!((status, &queued["deploy"]), (202, &json!(3)), "{queued}");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(
        (
            town.version("/shop/web").await,
            town.version("/shop/api").await
        ),
        ("1".into(), "2".into())
    );
    // the same by its path, with another action
    let (status, queued) = town
        .post("/apps/%2Fshop%2Fapi/deploy", &json!({"to": "#1"}))
        .await;
    assert_eq!((status, &queued["deploy"]), (202, &json!(4)), "{queued}");
    town.ended(4).await;
    assert_eq!(
        (
            town.version("/shop/web").await,
            town.version("/shop/api").await
        ),
        ("1".into(), "1".into())
    );
    let (status, _) = town
        .post("/apps/%2Fshop%2Fapi/scale", &json!({"instances": 2}))
        .await;
    assert_eq!(status, 200);
    town.end().await;
}

/// The value of a hidden field of the page's form.
fn hidden<'a>(page: &'a str, name: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split('"').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_confirmation_of_one_service_confirms_one_service() {
    let town = two_services().await;
    let url = format!(
        "{}/apps/shop/rollback?to=%231&service=/shop/web",
        town.url()
    );
    let page = town
        .http
        .get(url)
        .bearer_auth(TOKEN)
        .header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(page.contains("This service alone."), "{page}");
    let form = format!(
        "to={}&plan={}&service={}&reason=one&resume=next-push&scale=keep",
        hidden(&page, "to").replace('#', "%23"),
        hidden(&page, "plan"),
        hidden(&page, "service").replace('/', "%2F")
    );
    let post = town
        .http
        .post(format!("{}/apps/shop/rollback", town.url()))
        .bearer_auth(TOKEN)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.clone());
    let answer = post
        .try_clone()
        .unwrap()
        .header("accept", "text/html,*/*")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 303, "{}", answer.text().await.unwrap());
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(
        (
            town.version("/shop/web").await,
            town.version("/shop/api").await
        ),
        ("1".into(), "2".into())
    );
    // the same form of a program that reads JSON; the plan is not what it was
    let answer = post
        .header("accept", "application/json")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 409);
    let refused: Value = answer.json().await.unwrap();
    assert_eq!(refused["code"], "plan_stale", "{refused}");
    assert!(refused["plan"]["plan"].is_string(), "{refused}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_of_what_it_showed_also_for_a_deploy() {
    let town = two_services().await;
    let (status, plan) = town
        .post(
            "/apps/shop/redeploy",
            &json!({"dry_run": true, "service": "/shop/web"}),
        )
        .await;
    assert_eq!(status, 200, "{plan}");
    let token = plan["plan"].as_str().unwrap();
    // of the whole app it is another plan
    let (status, refused) = town
        .post("/apps/shop/redeploy", &json!({"plan": token}))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("plan_stale")),
        "{refused}"
    );
    let (status, queued) = town
        .post(
            "/apps/shop/redeploy",
            &json!({"plan": token, "service": "/shop/web"}),
        )
        .await;
    assert_eq!(status, 202, "{queued}");
    town.ended(3).await;
    let (status, refused) = town
        .post("/apps/shop/deploy", &json!({"plan": "0123"}))
        .await;
    assert_eq!(
        (status, &refused["code"]),
        (409, &json!("plan_stale")),
        "{refused}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_one_action_with_one_body() {
    let town = two_services().await;
    let keyed = async |key: &str, action: &str, body: Value| {
        let call = town.http.post(format!("{}/apps/shop/{action}", town.url()));
        let call = call.bearer_auth(TOKEN).header("idempotency-key", key);
        let answer = call.json(&body).send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let wish = json!({"to": "#1", "reason": "one"});
    let first = keyed("k#1", "rollback", wish.clone()).await;
    assert_eq!((first.0, &first.1["deploy"]), (202, &json!(3)));
    assert_eq!(keyed("k#1", "rollback", wish.clone()).await, first, "once");
    for (action, body) in [
        ("rollback", json!({"to": "#2", "reason": "one"})),
        ("deploy", wish.clone()),
    ] {
        let (status, refused) = keyed("k#1", action, body).await;
        assert_eq!(
            (status, &refused["code"]),
            (422, &json!("key_reused")),
            "{refused}"
        );
    }
    town.ended(3).await;
    // another key, though it begins alike
    let lock = json!({"reason": "x"});
    let (status, done) = keyed("k", "lock", lock.clone()).await;
    assert_eq!((status, &done["result"]), (200, &json!("done")));
    // what began no deploy is answered as before too, whatever happened since
    assert_eq!(town.post("/apps/shop/unlock", &json!({})).await.0, 200);
    assert_eq!(keyed("k", "lock", lock.clone()).await, (200, done));
    assert!(town.app().await["lock"].is_null(), "it was not done again");
    let idle = keyed("idle", "unlock", json!({})).await;
    assert_eq!(idle.1["result"], "unchanged");
    town.post("/apps/shop/lock", &lock).await;
    assert_eq!(keyed("idle", "unlock", json!({})).await, idle);
    assert!(town.app().await["lock"].is_object(), "the lock stays");
    let (status, refused) = keyed("idle", "lock", lock).await;
    assert_eq!((status, &refused["code"]), (422, &json!("key_reused")));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_environment_shows_its_names_and_not_its_secrets() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut web = service("/shop/web", 1, "");
    web["env"] = json!({
        "DB_PASSWORD": "sentinel-of-a-password", "DB": "pg://u:sentinel-of-an-address@db/", "COLOUR": "red",
    });
    town.spec("web", &web);
    town.push("an environment");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    let page = town.http.get(format!("{}/apps/shop/deploys/2", town.url()));
    let page = page.bearer_auth(TOKEN).header("accept", "text/html");
    let page = page.send().await.unwrap().text().await.unwrap();
    let (status, plan) = town
        .post("/apps/shop/rollback", &json!({"to": "#1", "dry_run": true}))
        .await;
    assert_eq!(status, 200, "{plan}");
    for shown in [page, plan.to_string()] {
        assert!(shown.contains("COLOUR") && shown.contains("red"), "{shown}");
        assert!(
            shown.contains("DB_PASSWORD") && !shown.contains("sentinel-of"),
            "{shown}"
        );
    }
    town.end().await;
}
