//! What is looked at again and again: two apps of one repository share its hook, and one look that hangs holds up no other.

use serde_json::{Value, json};
use test_kit::wait::until;

use crate::support::proxies::Gate;
use crate::support::town::{Town, service};

/// `shop` follows the branch `dcos`, `stage` the branch `stage` of the same repository.
async fn second_app(town: &Town) {
    town.write("dploy.app", "app_name: stage\n");
    town.spec("web", &service("/stage/web", 1, ""));
    town.git(&["checkout", "-q", "-b", "stage"]);
    town.git(&["add", "-A"]);
    town.git(&["commit", "-q", "-m", "stage"]);
    town.git(&["push", "-q", "origin", "stage"]);
    town.git(&["checkout", "-q", "dcos"]);
    let wish = json!({"repository": "acme/shop", "branch": "stage"});
    let (status, body) = town.post("/apps", &wish).await;
    assert_eq!(status, 201, "{body}");
    hook_of(town, "stage", |hook| hook["id"].is_u64()).await;
}

async fn hook_of(town: &Town, app: &str, is: impl Fn(&Value) -> bool) -> Value {
    until("the hook is so", async || {
        let hook = town.get(&format!("/apps/{app}/hook.json")).await;
        if is(&hook) {
            Ok(hook)
        } else {
            Err(hook.to_string())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hook_of_a_repository_is_that_of_all_its_apps() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    second_app(&town).await;
    let (shop, stage) = (
        town.get("/apps/shop/hook.json").await,
        town.get("/apps/stage/hook.json").await,
    );
    assert_eq!(shop["id"], stage["id"], "{shop} {stage}");
    let (status, body) = town.post("/apps/shop/hook/remove", &json!({})).await;
    assert_eq!(status, 200, "{body}");
    let removed = |hook: &Value| hook["id"].is_null() && hook["failure"]["code"] == "REMOVED";
    for app in ["shop", "stage"] {
        let hook = town.get(&format!("/apps/{app}/hook.json")).await;
        assert!(removed(&hook), "{app}: {hook}");
    }
    let (status, body) = town.post("/apps/stage/hook/register", &json!({})).await;
    assert_eq!(status, 200, "{body}");
    let (shop, stage) = (
        town.get("/apps/shop/hook.json").await,
        town.get("/apps/stage/hook.json").await,
    );
    assert!(
        shop["id"].is_u64() && shop["id"] == stage["id"],
        "{shop} {stage}"
    );
    assert!(shop["failure"].is_null(), "{shop}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_never_answered_for_holds_up_no_other() {
    let mut town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    second_app(&town).await;
    town.stop().await;
    let gate = Gate::talking(town.github.url());
    town.extra.push(format!("--github-api={}", gate.url()));
    let [shop, stage] = ["dcos", "stage"]
        .map(|branch| format!("/repositories/{}/commits/heads/{branch}", town.repository));
    gate.silent_about(&stage);
    town.start().await;
    until(
        "the other branch is asked for again and again",
        async || {
            let asked = (gate.asked(&stage), gate.asked(&shop));
            if asked.0 > 0 && asked.1 >= 3 {
                Ok(())
            } else {
                Err(format!("{asked:?}"))
            }
        },
    )
    .await;
    assert_eq!(gate.asked(&stage), 1, "the first question still waits");
    // no delivery tells of it: only a look at the branch finds it
    town.github.faults().lose(1);
    town.write("dploy.app", "app_name: shop\n");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    town.end().await;
}
