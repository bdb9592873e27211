//! A commit and a deploy are told apart by how they are written, wherever one may be named; and what two of them differ in.

use serde_json::json;

use crate::support::shell::clone_of;
use crate::support::town::{Town, service};

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_a_deploy_only_where_it_says_so() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let shell = clone_of(&town);
    for version in [2, 3] {
        town.spec("web", &service("/shop/web", version, ""));
        town.push("another");
        town.ended(version).await;
    }
    // what is neither, or both, is wrong before anybody is asked
    for (arguments, word) in [
        (&["rollback", "#x"][..], "count from 1"),
        (&["rollback", "-deploy", "0"], "count from 1"),
        (&["deploy", "-deploy=x"], "count from 1"),
        (&["cancel", "#0"], "count from 1"),
        (&["why", "#"], "count from 1"),
        (&["why"], "required"),
        (&["rollback", "#1", "-deploy", "1"], "cannot be used with"),
        (&["redeploy", "HEAD", "-deploy", "1"], "cannot be used with"),
        (&["why", "HEAD", "-deploy", "1"], "cannot be used with"),
        (
            &["rollback", "1", "-y"],
            "1 is no commit: 4 digits of one, or more; the deploy of that number is -deploy 1, or '#1'",
        ),
        (&["deploy", "40"], "40 is no commit"),
        (&["why", "40"], "\"40\" is no commit"),
    ] {
        let said = shell.refused(arguments).await;
        assert_eq!(
            (&said["code"], &said["exit"]),
            (&json!("usage"), &json!(2)),
            "{arguments:?}: {said}"
        );
        assert!(
            said["detail"].as_str().unwrap().contains(word),
            "{arguments:?}: {said}"
        );
    }
    // four digits may be those of a commit, and are
    let (code, _, err) = shell.run(&["rollback", "4000", "-y"]).await;
    assert!(
        code == 1
            && err
                .contains("4000 is taken for a commit; the deploy of that number is -deploy 4000"),
        "{err}"
    );
    for (arguments, deploy) in [
        (&["why", "#2"][..], "deploy #2 (push) succeeded"),
        (&["why", "-deploy", "1"], "deploy #1 (push)"),
        (&["rollback", "#1", "-y"], "(#3) back to"),
        (&["deploy", "-deploy", "2"], "#5 of"),
        (&["redeploy", "-deploy=2"], "#6 of"),
    ] {
        let said = shell.ok(arguments).await;
        assert!(said.contains(deploy), "{arguments:?}: {said}");
    }
    assert_eq!(town.version("/shop/web").await, "2");
    // what is not there is not there, whichever way it is written
    for arguments in [&["why", "#99"][..], &["rollback", "-deploy", "99", "-y"]] {
        let said = shell.refused(arguments).await;
        assert!(
            said["detail"].as_str().unwrap().contains("99"),
            "{arguments:?}: {said}"
        );
        assert_eq!(said["exit"], 1, "{said}");
    }
    let said = shell.refused(&["cancel", "99"]).await;
    assert_eq!(said["code"], "not_now", "{said}");
    town.end().await;
}
