//! `dploy` against Marathons that do not let everybody in, or do not lead: everything works as it does on an open one.

use serde_json::Value;

use crate::support::program::{DPLOY, ended};
use crate::support::proxies::{Gate, Trap};
use crate::support::shell::{Shell, shell_service};
use test_kit::marathon::Marathon;
use test_kit::wait::until;

const USER: &str = "dploy";
const PASSWORD: &str = "sentinel-password-20fa";

/// From `init` to `destroy`, as somebody does it the first time.
async fn lives(shell: &Shell, url: &str, marathon: &Marathon) {
    shell.ok(&["init", "-marathon-url", url]).await;
    let (code, out, err) = shell.run(&["dryrun", "-detailed-exitcode"]).await;
    assert_eq!(code, 2, "{out}{err}");
    assert!(
        out.contains("create") && out.contains("/hello/hello"),
        "{out}"
    );
    assert_eq!(apps(marathon).await, 0, "a dry run changes nothing");
    let out = shell.ok(&["run"]).await;
    assert!(out.contains("all healthy"), "{out}");
    let out = shell.ok(&["dryrun", "-detailed-exitcode"]).await;
    assert!(out.contains("unchanged"), "{out}");
    let out = shell.ok(&["ps"]).await;
    assert!(
        out.contains("/hello/hello") && out.contains("1/1") && out.contains("healthy"),
        "{out}"
    );
    shell
        .ok(&["scale", "-pid", "hello", "-instances", "2"])
        .await;
    let out = shell.ok(&["ps"]).await;
    assert!(out.contains("2/2"), "{out}");
    // what runs and what is written differ in the number alone: run puts it right
    let out = shell.ok(&["run"]).await;
    assert!(out.contains("instances 2 -> 1"), "{out}");
    let out = shell.ok(&["destroy", "-yes"]).await;
    assert!(out.contains("nothing of it is left"), "{out}");
    assert_eq!(apps(marathon).await, 0);
}

async fn apps(marathon: &Marathon) -> usize {
    marathon.get("/v2/apps").await["apps"]
        .as_array()
        .unwrap()
        .len()
}

fn with_password() -> Shell {
    Shell::new()
        .env("DPLOY_MARATHON_USER", USER)
        .env("DPLOY_MARATHON_PASSWORD", PASSWORD)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_lives_behind_basic_authentication() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    lives(&with_password(), &gate.url(), &marathon).await;
    assert_eq!(gate.refused(), 0, "every request showed who it is from");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_lives_behind_dcos_with_a_login() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    lives(&with_password(), &gate.url(), &marathon).await;
    assert_eq!(gate.refused(), 0);
    // one a call of dploy, dry runs and all, and init needs none
    assert_eq!(gate.logins(), 8);
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_lives_behind_dcos_with_a_token() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let first = with_password();
    first.ok(&["init", "-marathon-url", &gate.url()]).await;
    first.ok(&["ps"]).await;
    let token = gate.tokens().pop().unwrap();
    let shell = Shell::new().env("DPLOY_MARATHON_TOKEN", &token);
    lives(&shell, &gate.url(), &marathon).await;
    assert_eq!((gate.logins(), gate.refused()), (1, 0));
    gate.expire();
    let (code, out, err) = shell.run(&["ps"]).await;
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(
        err.contains(&gate.url()) && err.contains("DPLOY_MARATHON_TOKEN"),
        "{err}"
    );
    assert!(!err.contains(&token), "{err}");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_while_a_rollout_is_followed_is_fetched_anew() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let shell = with_password();
    shell.ok(&["init", "-marathon-url", &gate.url()]).await;
    let go = shell.home.path().join("go");
    let mut spec = shell_service("/hello/hello", 1);
    spec["healthChecks"][0]["command"]["value"] = format!("test -f '{}'", go.display()).into();
    spec["healthChecks"][0]["gracePeriodSeconds"] = 10_000.into();
    shell.spec("hello", &spec);
    let mut command = shell.command(DPLOY);
    let running = tokio::spawn(ended_run(command.arg("run").output()));
    until("the rollout is followed", async || {
        let app = marathon.get("/v2/apps/hello/hello").await;
        let looks = gate.asked("/service/marathon/v2/apps/hello/hello");
        if app["app"]["tasks"][0]["state"] == "TASK_RUNNING" && looks > 2 {
            Ok(())
        } else {
            Err(format!("{looks} looks, {app}"))
        }
    })
    .await;
    assert_eq!(gate.logins(), 1);
    gate.expire();
    until("it logs in again", async || {
        if gate.logins() == 2 {
            Ok(())
        } else {
            Err(gate.logins().to_string())
        }
    })
    .await;
    std::fs::write(&go, "").unwrap();
    let (code, out, err) = running.await.unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert!(gate.refused() >= 1, "the old token was shown once more");
    marathon.stop().await;
}

async fn ended_run(
    output: impl Future<Output = std::io::Result<std::process::Output>>,
) -> crate::support::program::Ran {
    ended(output, "run").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_lives_behind_a_standby() {
    let marathon = Marathon::start().await;
    let gate = Gate::standby(&marathon.url());
    lives(&Shell::new(), &gate.url(), &marathon).await;
    assert!(gate.asked("/v2/events") > 0, "the stream was redirected");
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_once_with_the_variables_and_without_the_password() {
    let marathon = Marathon::start().await;
    let basic = Gate::basic(&marathon.url(), USER, PASSWORD);
    let dcos = Gate::dcos(&marathon.url(), USER, PASSWORD);
    for (gate, url) in [(&basic, basic.url()), (&dcos, dcos.url())] {
        let wrong = "sentinel-wrong-0d1e";
        let shell = Shell::new()
            .env("DPLOY_MARATHON_USER", USER)
            .env("DPLOY_MARATHON_PASSWORD", wrong)
            .env("DPLOY_MARATHON_URL", &url);
        shell.ok(&["init"]).await;
        for command in [
            &["dryrun"][..],
            &["run"],
            &["ps"],
            &["scale", "-pid=hello", "-instances=1"],
            &["destroy", "-yes"],
            &["status"],
        ] {
            let (code, out, err) = shell.run(command).await;
            assert_eq!((code, out.as_str()), (1, ""), "{command:?}: {err}");
            assert!(
                err.contains("DPLOY_MARATHON_PASSWORD") && err.contains("127.0.0.1"),
                "{command:?}: {err}"
            );
            assert!(!err.contains(wrong), "{err}");
        }
        let (code, answer) = shell.json(&["doctor"]).await;
        let bad: Vec<&Value> = answer["checks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| c["result"] == "bad")
            .collect();
        assert_eq!((code, bad.len()), (1, 1), "{answer}");
        assert!(
            gate.logins() <= 7,
            "no password is tried twice by one command"
        );
    }
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_elsewhere_is_asked_through_the_proxy_but_for_what_is_excepted() {
    let asked = async |url: &str, except: &str| {
        let proxy = Trap::new();
        let shell = Shell::new()
            .env("HTTP_PROXY", &proxy.url())
            .env("HTTPS_PROXY", &proxy.url())
            .env("NO_PROXY", except);
        shell.ok(&["init", "-marathon-url", url]).await;
        let (code, _, err) = shell.run(&["-timeout=5", "ps"]).await;
        assert_eq!(code, 1, "{err}");
        let seen = proxy.seen();
        let host =
            |s: &crate::support::proxies::Seen| s.headers["host"].to_str().unwrap().to_owned();
        seen.iter()
            .map(|s| (s.method.clone(), host(s)))
            .collect::<Vec<_>>()
    };
    let plain = asked("http://marathon.invalid:8080", "").await;
    assert!(
        plain.contains(&("GET".to_owned(), "marathon.invalid:8080".to_owned())),
        "{plain:?}"
    );
    let tunnel = asked("https://marathon.invalid:8443", "other.invalid").await;
    assert!(
        tunnel.contains(&("CONNECT".to_owned(), "marathon.invalid:8443".to_owned())),
        "{tunnel:?}"
    );
    assert_eq!(asked("http://marathon.invalid:8080", ".invalid").await, []);
    assert_eq!(asked("http://127.0.0.1:9", "").await, []);
}
