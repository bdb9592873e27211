//! What programs read of `dploy`: one document where it goes well, one line of JSON where it does not.

use serde_json::{Value, json};

use crate::support::proxies::Trap;
use crate::support::shell::{Shell, clone_of, shell_service};
use crate::support::town::{PAT, TOKEN, Town, service};

/// What a call that fails must say: its code, its exit code, a word of its sentence.
async fn says(shell: &Shell, arguments: &[&str], code: &str, exit: i32, word: &str) -> Value {
    let said = shell.refused(arguments).await;
    assert_eq!(
        (said["code"].as_str(), said["exit"].as_i64()),
        (Some(code), Some(exit.into())),
        "{arguments:?}: {said}"
    );
    let detail = said["detail"].as_str().unwrap();
    assert!(
        detail.contains(word),
        "{arguments:?}: {word:?} is not in {said}"
    );
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_a_wrong_command_line_is_one_line() {
    let shell = Shell::new();
    says(&shell, &["deploy", "-bogus"], "usage", 2, "--bogus").await;
    says(&shell, &["deploi"], "usage", 2, "deploi").await;
    says(&shell, &["scale", "-pid=x"], "usage", 2, "instances").await;
    says(&shell, &["status", "-timeout=soon"], "usage", 2, "soon").await;
    says(&shell, &[], "usage", 2, "a command is missing").await;
    let told = says(&shell, &["status", "-tokn", TOKEN], "usage", 2, "--tokn").await;
    assert!(told["hint"].as_str().unwrap().contains("--token"), "{told}");
    // asked for help it helps
    let (code, out, err) = shell.run(&["deploy", "-json", "-h"]).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("Usage: dploy deploy"), "{out}");
    // people read it as ever
    let (code, _, err) = shell.run(&["deploy", "-bogus", "-json=false"]).await;
    assert!(code == 2 && err.starts_with("error: "), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_an_error_without_an_observer_is_one_line() {
    let shell = Shell::new();
    says(&shell, &["ls"], "error", 1, "there is no dploy.app in").await;
    shell.write(
        "dploy.app",
        "app_name: hello\nmarathon_url: http://127.0.0.1:9\n",
    );
    shell.spec("web", &shell_service("/hello/web", 1));
    for command in [&["ps"][..], &["run"], &["status"], &["destroy", "-yes"]] {
        says(&shell, command, "marathon_unreachable", 1, "127.0.0.1:9").await;
    }
    // whatever answers there is no observer
    let trap = Trap::answering(|_, _| Some(json!("<h1>a page</h1>")));
    let url = format!("-observer={}", trap.url());
    says(&shell, &["status", &url], "not_observer", 1, &trap.url()).await;
    says(
        &shell,
        &["status", "-observer=http://127.0.0.1:9"],
        "observer_unreachable",
        1,
        ":9",
    )
    .await;
    // an address that repeats a secret does not repeat it
    let leaks = format!("-observer=http://127.0.0.1:9/{PAT}");
    shell
        .refused(&["status", &leaks, &format!("-pat={PAT}")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_what_the_observer_refuses_has_its_code() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    says(&shell, &["rollback", "HEAD~9"], "invalid", 1, "HEAD~9").await;
    says(
        &shell,
        &["logs", "-token=none-of-anybody"],
        "token",
        1,
        "token",
    )
    .await;
    says(&shell, &["rollback"], "error", 1, "no other commit").await;
    shell.ok(&["lock", "-m", "fair"]).await;
    let said = says(
        &shell,
        &["scale", "-pid=web", "-instances=2"],
        "locked",
        4,
        "fair",
    )
    .await;
    assert!(said["hint"].as_str().unwrap().contains("unlock"), "{said}");
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("held");
    says(&shell, &["run"], "held", 4, "locked by operator: fair").await;
    town.spec("web", &service("/shop/web", 3, ""));
    says(&shell, &["run"], "unpushed", 2, "acme/shop").await;
    // for people it is what it was, with the way out below it
    let (code, out, err) = shell.run(&["scale", "-pid=web", "-instances=2"]).await;
    assert_eq!((code, out.as_str()), (4, ""));
    assert!(
        err.starts_with("dploy: ") && err.lines().count() == 2,
        "{err}"
    );
    // what the exit code of a question says stands in its answer
    let (code, out, err) = shell.run(&["status", "-json"]).await;
    assert_eq!((code, err.as_str()), (4, ""), "{out}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_a_deploy_that_failed_is_an_answer_and_an_error() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    let mut bad = service("/shop/web", 2, "");
    bad["cmd"] = json!("exit 3");
    town.spec("web", &bad);
    town.push("broken");
    let failed = town.ended(2).await;
    let (code, out, err) = shell.run(&["deploy", "-json"]).await;
    assert_eq!(code, 3, "{out}{err}");
    let answer: Value = serde_json::from_str(&out).unwrap();
    let said: Value = serde_json::from_str(&err).unwrap();
    assert_eq!(answer["state"], "failed");
    assert_eq!(said["code"], failed["failure"]["code"], "{said}");
    assert_eq!(
        (&said["code"], &said["exit"]),
        (&answer["failure"]["code"], &json!(3))
    );
    town.end().await;
}
