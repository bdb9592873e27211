//! From `git push` to running services: what changes, what does not, and what is said when it goes wrong.

use serde_json::json;

use crate::support::town::{Town, quick, service};
use test_kit::wait::until;

fn three() -> Vec<(&'static str, serde_json::Value)> {
    let mut web = service("/shop/web", 1, "");
    web["dependencies"] = json!(["/shop/api"]);
    let db = json!({"id": "/shop/db", "apps": [service("pg", 1, "")]});
    vec![
        ("web", web),
        ("api", service("/shop/api", 1, "")),
        ("db", db),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_replaces_only_what_changed() {
    let town = Town::with(&three()).await;
    let (api, pg, web) = (
        town.tasks("/shop/api").await,
        town.tasks("/shop/db/pg").await,
        town.tasks("/shop/web").await,
    );
    let mut changed = service("/shop/web", 2, "");
    changed["dependencies"] = json!(["/shop/api"]);
    town.spec("web", &changed);
    let commit = town.push("web: version 2");
    let deploy = town.ended(2).await;
    assert_eq!(
        (deploy["state"].as_str(), deploy["commit"].as_str()),
        (Some("succeeded"), Some(commit.as_str())),
        "{deploy}"
    );
    assert_eq!(town.version("/shop/web").await, "2");
    assert_ne!(town.tasks("/shop/web").await, web);
    assert_eq!(
        (
            town.tasks("/shop/api").await,
            town.tasks("/shop/db/pg").await
        ),
        (api, pg),
        "the others were not touched"
    );
    let puts = town
        .events()
        .await
        .iter()
        .filter(|e| e["kind"] == "apply_intended")
        .count();
    assert_eq!(puts, 2, "one PUT per push");
    let app = town.app().await;
    assert_eq!(
        (app["health"].as_str(), app["live"]["commit"].as_str()),
        (Some("ok"), Some(commit.as_str()))
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dependencies_within_a_group_are_started_first() {
    let group = json!({"id": "/shop", "groups": [
        {"id": "back", "apps": [service("db", 1, "--listen-after 0.3")]},
        {"id": "front", "dependencies": ["/shop/back"], "apps": [service("web", 1, "")]}]});
    let town = Town::with(&[("all", group)]).await;
    let started = async |id: &str| {
        town.marathon(&format!("/v2/apps{id}")).await["app"]["tasks"][0]["stagedAt"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let db_healthy = town.marathon("/v2/apps/shop/back/db").await["app"]["tasks"][0]["healthCheckResults"][0]["firstSuccess"].as_str().unwrap().to_owned();
    assert!(
        started("/shop/front/web").await >= db_healthy,
        "the front waited for a healthy back"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_somebody_removes_while_it_rolls_is_said_to_be_removed() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.spec("web", &service("/shop/web", 2, "--listen-after 20"));
    town.push("slow");
    town.deploy_until(2, "it rolls", |d| d["services"][0]["state"] == "starting")
        .await;
    let path = "/v2/apps/shop/web?force=true";
    let (status, body) = town.marathon_send("DELETE", path, &json!({})).await;
    assert_eq!(status, 200, "{body}");
    let deploy = town.ended(2).await;
    let sentence = deploy["sentence"].as_str().unwrap();
    assert_eq!(
        sentence,
        "somebody else removed /shop/web in Marathon while it was rolling; none of what was changed is there and ours"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_relabelled_before_it_is_pruned_is_left_alone_and_fails_the_deploy() {
    let api = service("/shop/api", 1, "");
    let town = Town::with(&[("web", service("/shop/web", 1, "")), ("api", api)]).await;
    town.write("dploy.app", "app_name: shop\nprune: true\n");
    town.git(&["rm", "-q", "specs/api.json"]);
    town.spec("web", &service("/shop/web", 2, "--listen-after 1.5"));
    town.push("without api");
    town.deploy_until(2, "it rolls", |d| {
        let services = d["services"].as_array().into_iter().flatten();
        services
            .filter(|s| s["id"] == "/shop/web" && s["state"] == "starting")
            .count()
            == 1
    })
    .await;
    let theirs = json!({"labels": {"DPLOY": "other"}});
    let (status, body) = town
        .marathon_send("PUT", "/v2/apps/shop/api", &theirs)
        .await;
    assert_eq!(status, 200, "{body}");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "NOT_OURS", "{deploy}");
    let sentence = deploy["failure"]["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("/shop/api does not carry the label of shop any more and is left alone; the rest is done"),
        "{sentence}"
    );
    assert_eq!(town.version("/shop/web").await, "2");
    assert_eq!(town.version("/shop/api").await, "1");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_names_the_services_of_which_no_instance_is_wanted() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (status, body) = town
        .marathon_send("PUT", "/v2/apps/shop/web", &json!({"instances": 0}))
        .await;
    assert_eq!(status, 200, "{body}");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("of nobody");
    let deploy = town.ended(2).await;
    let sentence = deploy["sentence"].as_str().unwrap();
    assert!(
        deploy["state"] == "succeeded" && sentence.contains("no instance is wanted of /shop/web"),
        "{deploy}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_of_the_readme_changes_nothing() {
    let town = Town::with(&three()).await;
    let before = town.tasks("/shop/web").await;
    town.write("README.md", "words\n");
    town.push("words");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["state"], "unchanged", "{deploy}");
    assert_eq!(town.tasks("/shop/web").await, before);
    assert_eq!(
        town.events()
            .await
            .iter()
            .filter(|e| e["kind"] == "apply_intended")
            .count(),
        1,
        "only the first deploy told Marathon anything"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_spec_is_named_with_file_line_and_column_and_the_old_version_serves_on() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.write(
        "specs/web.json",
        "{\n  \"id\": \"/shop/web\"\n  \"cmd\": \"x\"\n}\n",
    );
    town.push("broken");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "SPEC_INVALID");
    assert!(
        deploy["failure"]["sentence"]
            .as_str()
            .unwrap()
            .starts_with("specs/web.json:3:3: "),
        "{deploy}"
    );
    assert_eq!(town.version("/shop/web").await, "1");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("mended");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_not_believed_for_one_check_that_it_passed() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut bad = service("/shop/web", 2, "");
    let first = town.dir.path().join("first");
    bad["cmd"] = json!(format!(
        "mkdir '{}' && exit 3; exec serve --port $PORT0 --exit-after 0.8 --exit-code 4",
        first.display()
    ));
    town.spec("web", &bad);
    town.push("passes once and dies");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "CRASHING", "{deploy}");
    let sentence = deploy["failure"]["sentence"].as_str().unwrap();
    assert!(sentence.contains("exit 4"), "{sentence}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named_with_its_exit_text() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut bad = service("/shop/web", 2, "");
    bad["cmd"] = json!("exec nosuchprogram");
    town.spec("web", &bad);
    town.push("127");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "CRASHING", "{deploy}");
    let sentence = deploy["failure"]["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("exit 127") && sentence.contains("nosuchprogram"),
        "{sentence}"
    );
    assert!(sentence.contains("runs 1 old and 0 new"), "{sentence}");
    let row = deploy["services"][0]["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with(&format!("{row}; ")),
        "{row}: {sentence}"
    );
    assert_eq!(
        town.version("/shop/web").await,
        "1",
        "the old version serves on"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_becomes_healthy_fails_with_its_check_and_the_next_push_takes_over() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.spec("web", &service("/shop/web", 2, "--status 500"));
    town.push("sick");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "UNHEALTHY", "{deploy}");
    assert!(
        deploy["failure"]["sentence"]
            .as_str()
            .unwrap()
            .contains("HTTP GET /health"),
        "{deploy}"
    );
    assert_eq!(town.version("/shop/web").await, "1");
    town.spec("web", &service("/shop/web", 3, "--status 500"));
    town.push("sick again");
    town.deploy_until(3, "the third rolls and is sick", |d| {
        d["services"][0]["state"] == "unhealthy"
    })
    .await;
    town.spec("web", &service("/shop/web", 4, ""));
    town.push("mended");
    let overtaken = town.ended(3).await;
    assert_eq!(
        (
            overtaken["state"].as_str(),
            overtaken["failure"]["code"].as_str()
        ),
        (Some("failed"), Some("UNHEALTHY"))
    );
    assert!(
        overtaken["failure"]["sentence"]
            .as_str()
            .unwrap()
            .contains("overtaken by #4"),
        "{overtaken}"
    );
    assert_eq!(town.ended(4).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "4");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_agent_can_offer_waits_with_the_missing_resource() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut big = service("/shop/web", 2, "");
    big["cpus"] = json!(1000);
    town.spec("web", &big);
    town.push("big");
    let deploy = town
        .deploy_until(2, "it says what is missing", |d| {
            d["services"][0]["sentence"]
                .as_str()
                .is_some_and(|s| s.contains("CPUs"))
        })
        .await;
    assert!(
        deploy["services"][0]["sentence"]
            .as_str()
            .unwrap()
            .contains("needs 1000"),
        "{deploy}"
    );
    assert_eq!(town.version("/shop/web").await, "1");
    town.spec("web", &service("/shop/web", 3, ""));
    town.push("small again");
    assert_eq!(town.ended(2).await["failure"]["code"], "NO_OFFERS");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "3");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_github_never_delivered_is_found_by_asking_the_branch() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.event_until("hook_pinged").await;
    town.github.faults().lose(1);
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("lost");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    let push = town
        .events()
        .await
        .into_iter()
        .rfind(|e| e["kind"] == "push_received")
        .unwrap();
    assert_eq!(
        (
            push["payload"]["via"].as_str(),
            push["payload"]["after"].as_str()
        ),
        (Some("poll"), Some(commit.as_str()))
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_or_doubled_push_is_deployed_once() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.event_until("hook_pinged").await;
    town.github.faults().double(1);
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("twice");
    town.github.settle().await;
    assert_eq!(town.ended(2).await["state"], "succeeded");
    let pushes = town
        .kinds()
        .await
        .iter()
        .filter(|k| *k == "push_received")
        .count();
    assert_eq!(pushes, 2, "the first head and one push");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn github_that_lags_behind_its_own_webhook_is_waited_for() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.event_until("hook_pinged").await;
    town.github.faults().lag(3);
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("lagging");
    let deploy = town.ended(2).await;
    assert_eq!(
        (deploy["state"].as_str(), deploy["commit"].as_str()),
        (Some("succeeded"), Some(commit.as_str())),
        "{deploy}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_deployment_is_waited_for_and_named() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut theirs = service("/shop/web", 7, "--status 500");
    theirs["labels"] = json!({"DPLOY": "shop"});
    let (status, answer) = town
        .marathon_send("PUT", "/v2/apps/shop/web", &theirs)
        .await;
    assert_eq!(status, 200, "{answer}");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("held up");
    let deploy = town
        .deploy_until(2, "it waits", |d| d["waiting"]["code"] == "LOCKED")
        .await;
    let id = answer["deploymentId"].as_str().unwrap();
    assert!(
        deploy["waiting"]["sentence"].as_str().unwrap().contains(id),
        "{deploy}"
    );
    let (status, _) = town
        .marathon_send(
            "DELETE",
            &format!("/v2/deployments/{id}?force=true"),
            &json!({}),
        )
        .await;
    assert_eq!(status, 202);
    assert_eq!(town.ended(2).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dploy_did_not_make_is_left_alone_until_it_is_adopted() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (status, _) = town
        .marathon_send("POST", "/v2/apps", &service("/shop/old", 1, ""))
        .await;
    assert_eq!(status, 201);
    town.spec("old", &service("/shop/old", 2, ""));
    town.push("theirs");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["failure"]["code"], "NOT_OURS", "{deploy}");
    assert_eq!(town.version("/shop/old").await, "1");
    let (status, body) = town.post("/apps/shop/adopt", &json!({})).await;
    assert_eq!((status, body["deploy"].as_u64()), (202, Some(3)), "{body}");
    assert_eq!(town.ended(3).await["state"], "succeeded");
    assert_eq!(town.version("/shop/old").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_left_is_listed_and_with_prune_removed() {
    let town = Town::with(&[
        ("web", service("/shop/web", 1, "")),
        ("old", service("/shop/old", 1, "")),
    ])
    .await;
    std::fs::remove_file(town.clone.join("specs/old.json")).unwrap();
    town.push("old is gone");
    town.ended(2).await;
    assert_eq!(town.app().await["orphans"], json!(["/shop/old"]));
    town.write("dploy.app", "app_name: shop\nprune: true\n");
    town.push("prune");
    let deploy = town.ended(3).await;
    assert_eq!(deploy["state"], "succeeded", "{deploy}");
    assert!(town.tasks("/shop/old").await.is_empty());
    assert_eq!(town.app().await["orphans"], json!([]));
    assert!(town.kinds().await.contains(&"service_removed".to_owned()));
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_log_that_meets_running_services_adopts_equal_ones_and_holds_different_ones() {
    let mut town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let tasks = town.tasks("/shop/web").await;
    town.stop().await;
    std::fs::remove_dir_all(town.dir.path().join("data")).unwrap();
    town.start().await;
    assert_eq!(town.ended(1).await["state"], "unchanged");
    assert!(town.kinds().await.contains(&"app_adopted".to_owned()));
    assert_eq!(
        town.tasks("/shop/web").await,
        tasks,
        "nothing was restarted"
    );
    town.stop().await;
    std::fs::remove_dir_all(town.dir.path().join("data")).unwrap();
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("while nobody looked");
    town.start().await;
    until("the head is held", async || {
        let app = town.app().await;
        if app["state"] == "held" {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    assert_eq!(town.tasks("/shop/web").await, tasks);
    let (status, _) = town.post("/apps/shop/deploy", &json!({})).await;
    assert_eq!(status, 202);
    assert_eq!(town.ended(2).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marathon_down_is_waited_for_with_a_sentence() {
    let mut town = Town::founded(&[("web", service("/shop/web", 1, ""))], &[], quick()).await;
    town.ended(1).await;
    town.marathon
        .as_ref()
        .unwrap()
        .faults()
        .apply(serde_json::from_value(json!({"down": true})).unwrap());
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("into the dark");
    town.deploy_until(2, "it waits", |d| {
        d["waiting"]["code"] == "MARATHON_UNREACHABLE"
    })
    .await;
    town.stop().await;
    town.start().await;
    town.marathon.as_ref().unwrap().faults().reset();
    assert_eq!(town.ended(2).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_marathon_refuses_for_a_while_is_made_again_under_one_intent() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let mut number = 1;
    // a lock without the names of who holds it, no right, a proxy that has had enough
    for status in [409, 403, 401, 429] {
        let refuse = json!({"refuse": {"status": status, "message": "not now", "times": 3}});
        let faults = town.marathon.as_ref().unwrap().faults();
        faults.apply(serde_json::from_value(refuse).unwrap());
        number += 1;
        town.spec("web", &service("/shop/web", number, ""));
        town.push("a revision");
        let deploy = town.ended(number).await;
        assert_eq!(deploy["state"], "succeeded", "{status}: {deploy}");
        let events = town.events().await;
        let of = |kind: &str| {
            let is = |e: &&serde_json::Value| e["kind"] == kind && e["deploy"] == number;
            events.iter().filter(is).count()
        };
        let calls = ["apply_intended", "apply_accepted", "apply_refused"].map(of);
        assert_eq!(calls, [1, 1, 0], "{status}");
        assert_eq!(of("deploy_waiting"), 1, "{status}");
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_somebody_made_in_marathon_is_seen_and_undone_by_the_next_deploy() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let changed = json!({"mem": 24});
    let (status, _) = town
        .marathon_send("PUT", "/v2/apps/shop/web", &changed)
        .await;
    assert_eq!(status, 200);
    let seen = town.event_until("drift_seen").await;
    assert_eq!(seen["payload"]["services"][0]["id"], "/shop/web");
    assert_eq!(town.app().await["health"], "degraded");
    // the plan compares with what runs, not with what was applied
    let dry_run = json!({"dry_run": true});
    let (_, plan) = town.post("/apps/shop/redeploy", &dry_run).await;
    assert_eq!(
        plan["services"][0]["diff"],
        json!([{"path": "/mem", "from": 24, "to": 16}]),
        "{plan}"
    );
    let (status, _) = town.post("/apps/shop/redeploy", &json!({})).await;
    assert_eq!(status, 202);
    let deploy = town.ended(2).await;
    assert_eq!(
        (&deploy["state"], &deploy["services"][0]["change"]),
        (&json!("succeeded"), &json!("drifted")),
        "{deploy}"
    );
    let app = town.marathon("/v2/apps/shop/web").await;
    assert_eq!(app["app"]["mem"], 16);
    assert_eq!(town.app().await["health"], "ok");
    town.end().await;
}
