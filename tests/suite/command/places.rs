//! A commit and a deploy are told apart by how they are written, wherever one may be named; and what two of them differ in.

use serde_json::json;

use crate::support::shell::{Shell, clone_of};
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
        (&["rollback", "#x"][..], "\"#x\" is no number of a deploy"),
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

/// A town with three deploys, its clone, and the commit of the second.
async fn three_deploys() -> (Town, Shell, String) {
    let mut web = service("/shop/web", 1, "");
    web["env"] = json!({"COLOUR": "green", "API_TOKEN": "a-secret-of-the-spec"});
    let town = Town::with(&[("web", web.clone()), ("api", service("/shop/api", 1, ""))]).await;
    let shell = clone_of(&town);
    let first = shell.ok(&["diff"]).await;
    for line in [
        "shop: from nothing to ",
        "create     /shop/api",
        "create     /shop/web",
    ] {
        assert!(first.contains(line), "{line}: {first}");
    }
    web["env"] = json!({"COLOUR": "blue", "API_TOKEN": "another-secret"});
    web["mem"] = json!(24);
    town.spec("web", &web);
    let second = town.push("blue");
    town.ended(2).await;
    town.spec("jobs", &service("/shop/jobs", 1, ""));
    town.git(&["rm", "-q", "specs/api.json"]);
    town.push("jobs");
    town.ended(3).await;
    (town, shell, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_deploys_are_compared_service_by_service() {
    let (town, shell, second) = three_deploys().await;
    // the last deploy, two of them, one against what is live; by number, in quotes, by commit
    for (arguments, lines, code) in [
        (
            &["diff"][..],
            &[
                "(#2) to ",
                "(#3)",
                "remove     /shop/api",
                "create     /shop/jobs",
                "unchanged  1 service",
            ][..],
            0,
        ),
        (
            &["diff", "-detailed-exitcode", "#1", "#2"],
            &[
                "mem: 16 -> 24",
                "env.COLOUR: \"green\" -> \"blue\"",
                "env.API_TOKEN",
                "unchanged  1 service",
            ],
            2,
        ),
        (
            &["diff", "-deploy", "2", "-deploy", "1"],
            &["mem: 24 -> 16"],
            0,
        ),
        (
            &["diff", "-deploy=1"],
            &["(#1) to ", "(#3)", "update     /shop/web"],
            0,
        ),
        (&["diff", &second], &["(#2) to ", "remove     /shop/api"], 0),
        (
            &["diff", "HEAD~2", "HEAD", "-detailed-exitcode"],
            &["update     /shop/web"],
            2,
        ),
        (
            &["diff", "#3", "#3", "-detailed-exitcode"],
            &["unchanged  2 services"],
            0,
        ),
    ] {
        let (ended, out, err) = shell.run(arguments).await;
        assert_eq!(ended, code, "{arguments:?}: {out}{err}");
        for line in lines {
            assert!(out.contains(line), "{arguments:?}: no {line:?} in {out}");
        }
        assert!(!out.contains("secret"), "{arguments:?}: {out}");
    }
    let (code, told) = shell.json(&["diff", "#1", "#2"]).await;
    assert_eq!(
        (code, &told["services"][0]["id"]),
        (0, &json!("/shop/web")),
        "{told}"
    );
    assert_eq!(
        (&told["from"]["deploy"], &told["unchanged"]),
        (&json!(1), &json!(1)),
        "{told}"
    );
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_shows_what_one_may_see_and_refuses_what_is_not_there() {
    let (town, shell, _) = three_deploys().await;
    // whoever is nobody sees which fields, and the values of few
    let diff = town.get("/apps/shop/diff?from=%231&to=%232").await;
    let fields = diff["services"][0]["diff"].as_array().unwrap();
    let of = |path: &str| fields.iter().find(|f| f["path"] == path).unwrap();
    assert_eq!(of("/mem"), &json!({"path": "/mem", "from": 16, "to": 24}));
    assert_eq!(
        of("/env/COLOUR"),
        &json!({"path": "/env/COLOUR", "from": null, "to": null})
    );
    assert!(!diff.to_string().contains("secret"), "{diff}");
    for (query, code) in [
        ("from=%239", "not_found"),
        ("from=40", "invalid"),
        ("to=%23x", "invalid"),
        ("to=dead", "not_found"),
    ] {
        let refused = town.get(&format!("/apps/shop/diff?{query}")).await;
        assert_eq!(refused["code"], code, "{query}: {refused}");
    }
    for (arguments, code, exit) in [
        (&["diff", "#9"][..], "not_found", 1),
        (&["diff", "40"], "usage", 2),
        (&["diff", "#0"], "usage", 2),
        (&["diff", "#1", "-deploy", "2"], "usage", 2),
        (&["diff", "#1", "#2", "#3"], "usage", 2),
        (&["diff", "-deploy=1", "-deploy=2", "-deploy=3"], "usage", 2),
    ] {
        let said = shell.refused(arguments).await;
        assert_eq!(
            (&said["code"], &said["exit"]),
            (&json!(code), &json!(exit)),
            "{arguments:?}: {said}"
        );
    }
    town.end().await;
}
