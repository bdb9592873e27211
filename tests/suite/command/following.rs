//! What was begun is followed to its end: for as long as somebody wants, through a proxy's moment and a restart of the observer.

use serde_json::{Value, json};
use test_kit::marathon::Marathon;
use test_kit::wait::{ended, until};
use tokio::process::Command;

use crate::support::desk::Desk;
use crate::support::program::{DPLOY, Running};
use crate::support::proxies::{Gate, Trouble};
use crate::support::shell::{Shell, clone_of, shell_service};
use crate::support::town::{Town, service};

/// Marathon gets no offers, or gets them again.
async fn offers(town: &Town, given: bool) {
    let fault = json!({"no_offers": !given});
    let (status, said) = town.marathon_send("POST", "/local/faults", &fault).await;
    assert_eq!(status, 200, "{said}");
}

/// A clone of the town whose observer is behind a gate.
fn behind(town: &Town) -> (Shell, Gate) {
    let gate = Gate::troubled(town.url());
    let shell = clone_of(town).env("DPLOY_OBSERVER_URL", &gate.url());
    (shell, gate)
}

/// `dploy` that goes on; what it says on standard error, or on standard output, is read.
fn going_on(shell: &Shell, arguments: &[&str], err: bool) -> Running {
    let mut command = shell.command(DPLOY);
    command.args(arguments);
    Running::start(command, err)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_left_alone_or_followed_for_a_while() {
    let town =
        Town::with_settings(&[("web", service("/shop/web", 1, ""))], &["--deadline=60"]).await;
    let shell = clone_of(&town);
    offers(&town, false).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    town.deploy_until(2, "it waits for offers", |d| d["state"] == "following")
        .await;
    let (code, out, err) = shell.run(&["run", "-detach"]).await;
    assert_eq!(code, 0, "{out}{err}");
    let page = format!("{}/apps/shop/deploys/2", town.url());
    assert_eq!(out, format!("deploy #2  {page}\n"));
    assert!(err.contains("dploy status -watch"), "{err}");
    let (code, told) = shell.json(&["run", "-detach"]).await;
    assert_eq!((code, told), (0, json!({"deploy": 2, "url": page})));
    let (code, _, err) = shell.run(&["run", "-wait", "1"]).await;
    assert_eq!(code, 1, "{err}");
    assert!(
        err.contains("deploy #2 goes on; not followed after 1 s") && err.contains("status -watch"),
        "{err}"
    );
    let said = shell.refused(&["run", "-wait=1"]).await;
    assert_eq!(said["code"], "still_going");
    for wrong in [
        &["run", "-wait", "1", "-detach"][..],
        &["run", "-wait", "0"],
    ] {
        let said = shell.refused(wrong).await;
        assert_eq!(said["code"], "usage", "{wrong:?}");
    }
    assert_eq!(
        town.deploy(2).await["state"],
        "following",
        "it went on all the time"
    );
    offers(&town, true).await;
    let said = shell.ok(&["run", "-wait", "60"]).await;
    assert!(said.contains("succeeded"), "{said}");
    offers(&town, false).await;
    let (code, out, err) = shell
        .run(&["scale", "-pid=web", "-instances=2", "-wait", "1"])
        .await;
    assert!(code == 1 && err.contains("goes on"), "{code} {out}{err}");
    offers(&town, true).await;
    let said = shell.ok(&["rollback", "-y", "-detach"]).await;
    assert!(said.contains("deploy #3  http://"), "{said}");
    town.ended(3).await;
    let said = shell.ok(&["resume", "-detach"]).await;
    assert!(said.contains("deploy #4  http://"), "{said}");
    town.ended(4).await;
    let said = shell
        .ok(&["scale", "-pid=web", "-instances=1", "-detach"])
        .await;
    assert_eq!(said, "/shop/web is being scaled to 1.\n");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_observer_marathon_goes_on_with_what_it_accepted() {
    let marathon = Marathon::start().await;
    let shell = Shell::new();
    shell.write(
        "dploy.app",
        &format!("app_name: hello\nmarathon_url: {}\n", marathon.url()),
    );
    shell.spec("web", &shell_service("/hello/web", 1));
    let faults = marathon.server.as_ref().unwrap().faults();
    let offers = |given: bool| {
        faults.apply(local_marathon::FaultChange {
            no_offers: Some(!given),
            ..local_marathon::FaultChange::default()
        });
    };
    offers(false);
    let (code, out, err) = shell.run(&["run", "-detach"]).await;
    assert!(
        code == 0 && out.contains("hello: Marathon has accepted it."),
        "{code} {out}{err}"
    );
    assert!(
        err.contains("dploy run") && err.contains("dploy ps"),
        "{err}"
    );
    let said = shell.refused(&["run", "-wait", "1"]).await;
    assert_eq!(said["code"], "still_going", "{said}");
    let running = marathon.get("/v2/deployments").await;
    assert_eq!(running.as_array().unwrap().len(), 1, "{running}");
    offers(true);
    let (code, told) = shell.json(&["run"]).await;
    assert_eq!((code, &told["app"]), (0, &json!("hello")), "{told}");
    let (code, told) = shell.json(&["run", "-detach"]).await;
    assert_eq!((code, &told["result"]), (0, &json!("unchanged")), "{told}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn following_outlives_a_proxy_that_has_nobody_behind_it() {
    let town =
        Town::with_settings(&[("web", service("/shop/web", 1, ""))], &["--deadline=60"]).await;
    let (shell, gate) = behind(&town);
    offers(&town, false).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    let mut follows = going_on(&shell, &["run"], true);
    follows.line_with("deploy #2").await;
    gate.trouble("GET /apps/shop/deploys/2.json", Trouble::Away, 4);
    follows
        .line_with("does not answer: what stands in front of it says 502")
        .await;
    until("the gate is itself again", async || match gate.troubles() {
        0 => Ok(()),
        left => Err(left.to_string()),
    })
    .await;
    offers(&town, true).await;
    assert_eq!(follows.ended().await, 0);
    assert_eq!(town.deploy(2).await["state"], "succeeded");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_whose_answer_was_lost_is_done_once() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (shell, gate) = behind(&town);
    gate.trouble("POST /apps/shop/redeploy", Trouble::Lost, 2);
    let said = shell.ok(&["redeploy", "-m", "once"]).await;
    assert!(said.contains("#2 of"), "{said}");
    gate.trouble("POST /apps/shop/redeploy", Trouble::Away, 2);
    let said = shell.ok(&["redeploy", "-m", "twice"]).await;
    assert!(said.contains("#3 of"), "{said}");
    assert_eq!(gate.troubles(), 0);
    let queued = town
        .kinds()
        .await
        .iter()
        .filter(|k| *k == "deploy_queued")
        .count();
    assert_eq!(queued, 3);
    town.end().await;
}

/// A service that writes numbered lines for as long as it runs.
fn ticking() -> Value {
    let mut ticks = shell_service("/shop/clock", 1);
    ticks["cmd"] = json!("touch up; n=0; while sleep 0.2; do n=$((n+1)); echo tick $n; done");
    ticks
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_through_a_proxys_moment_and_never_from_the_beginning_again() {
    let town = Town::with(&[("clock", ticking())]).await;
    let (shell, gate) = behind(&town);
    let mut follows = going_on(&shell, &["logs", "-f", "-n", "1"], false);
    let first: u32 = follows.line_with("tick ").await.parse().unwrap();
    let mut last = first;
    let troubles = [
        ("GET /apps/shop/logs", Trouble::Away),
        ("GET /apps/shop.json", Trouble::Away),
        // its task is not listed for a moment
        ("GET /apps/shop.json", Trouble::Unlisted),
    ];
    for (word, trouble) in troubles {
        gate.trouble(word, trouble, 2);
        let mut after = 0;
        while after < 5 {
            let next: u32 = follows.line_with("tick ").await.parse().unwrap();
            assert_eq!(next, last + 1, "each line once: {}", follows.said);
            last = next;
            after += u32::from(gate.troubles() == 0);
        }
    }
    follows.signal("-KILL").await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_the_status_goes_on_when_the_observer_does() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let (shell, gate) = behind(&town);
    let mut watch = going_on(&shell, &["status", "-watch"], false);
    watch.line_with("dashboard").await;
    gate.trouble("GET /apps/shop.json", Trouble::Away, 1);
    watch.line_with("dashboard").await;
    watch.line_with("dashboard").await;
    assert_eq!(gate.troubles(), 0);
    let (_, said) = watch.signal("-KILL").await;
    assert!(!said.contains("502"), "{said}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn following_outlives_a_restart_of_the_observer_on_another_port() {
    let (desk, shop) = Desk::launched().await;
    let go = desk.town.dir.path().join("go");
    let mut web = shell_service("/shop/web", 2);
    web["cmd"] = json!(format!(
        "until test -f '{}'; do sleep 0.1; done; touch up; while sleep 1; do :; done",
        go.display()
    ));
    web["healthChecks"][0]["gracePeriodSeconds"] = json!(120);
    shop.write("specs/web.json", &format!("{web:#}\n"));
    shop.commit();
    shop.push("dcos");
    let command: Command = desk.dploy(&shop.path, &["run"]);
    let mut follows = Running::start(command, true);
    follows.line_with("deploy #2").await;
    let (_, before) = desk.healthy("").await;
    let task = desk.kill().await;
    let (_, after) = desk.healthy(&task).await;
    assert_ne!(before, after, "it moved");
    std::fs::write(&go, "").unwrap();
    let code = ended(follows.ended()).await.expect("it ends");
    assert_eq!(code, 0);
    desk.run(&shop, &["destroy", "-yes"]).await.code(0);
    desk.end().await;
}
