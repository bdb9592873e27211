//! `dploy run` launches the observer, once; what runs then is found again, and what is missing is said.

use std::os::unix::fs::PermissionsExt as _;

use dploy_observer::tls;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::desk::{Desk, OBSERVER, Said, Workspace};
use crate::support::program;
use crate::support::proxies::Gate;
use crate::support::town::{PAT, WEAK_PAT, service};
use test_kit::wait::until;

fn mode(workspace: &Workspace, file: &str) -> u32 {
    let about = std::fs::symlink_metadata(workspace.path.join(file)).unwrap();
    about.permissions().mode() & 0o7777
}

#[tokio::test(flavor = "multi_thread")]
async fn from_init_to_a_living_observer_in_four_commands() {
    let desk = Desk::new().await;
    let path = desk.town.dir.path().join("hello");
    std::fs::create_dir_all(&path).unwrap();
    let hello = Workspace { path };
    let repo = format!("{}/acme/bare", desk.town.github.url());
    // nobody has confirmed anything: init is the confirmation
    std::fs::remove_file(desk.home.join("config/dploy/hosts")).unwrap();
    let marathon = desk.town.marathon_url.clone();
    let init = [
        "init",
        "-marathon-url",
        &marathon,
        "-repo-url",
        &repo,
        "-public-node",
        "127.0.0.1",
    ];
    desk.run(&hello, &init).await.code(0);
    hello.pat();
    hello.git(&["init", "-q", "-b", "main"]);
    hello.git(&["remote", "add", "origin", &format!("{repo}.git")]);
    hello.commit();
    hello.push("dcos");
    let said = desk.run(&hello, &["run"]).await.code(0);

    let (_, url) = desk.healthy("").await;
    let hook = format!("{url}/dploy");
    assert_eq!(desk.hooks("acme/bare").await, [hook.as_str()]);
    let seen = desk.asked("/apps/hello/hook.json").await;
    assert!(seen["pinged_at"].is_string(), "{seen}");
    let said = said.says(&[
        "The observer runs.",
        &format!("{url}/apps/hello"),
        &format!("{hook} (GitHub's ping arrived)"),
        &format!("{url}/login with the token in .dploy-token"),
        "git push origin HEAD:dcos",
    ]);
    assert!(
        !said.text().contains("plain HTTP"),
        "loopback takes logins: {said:?}"
    );

    assert_eq!(mode(&hello, ".dploy-token"), 0o600);
    let token = hello.read(".dploy-token").trim().to_owned();
    let definition = desk.observer().await;
    assert!(!definition.to_string().contains(&token), "{definition}");
    let hash = hex::encode(Sha256::digest(&token));
    assert_eq!(definition["env"]["DPLOY_OBSERVER_TOKEN_SHA256"], hash);
    let login = desk.town.http.post(format!("{url}/apps/hello/lock"));
    let login = login.bearer_auth(&token).json(&json!({"reason": "x"}));
    assert!(login.send().await.unwrap().status().is_success());
    let tracked = hello.git(&["ls-files"]);
    assert!(
        !tracked.contains(".pat") && !tracked.contains(".dploy-token"),
        "{tracked}"
    );
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_launches_nothing_and_changes_nothing() {
    let (desk, shop) = Desk::launched().await;
    desk.deployed("shop", 1).await;
    let (before, token) = (desk.observer().await, shop.read(".dploy-token"));
    let said = desk.run(&shop, &["run"]).await.code(0);
    assert!(!said.text().contains("launching"), "{said:?}");
    let after = desk.observer().await;
    assert_eq!(before["version"], after["version"]);
    assert_eq!(before["tasks"][0]["id"], after["tasks"][0]["id"]);
    assert_eq!(shop.read(".dploy-token"), token);
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    assert_eq!(desk.apps().await, [OBSERVER, "/shop/web"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_app_is_registered_with_the_same_observer_by_who_has_its_token() {
    let (desk, shop) = Desk::launched().await;
    for (app, repository, branch) in [("next", "acme/shop", "next"), ("tool", "acme/tool", "dcos")]
    {
        let other = desk.workspace(app, repository, branch).await;
        other.pat();
        let refused = desk.run(&other, &["run"]).await.code(1);
        refused.says(&[
            "operator token",
            "copy .dploy-token from the workspace that launched it",
        ]);
        assert!(!desk.apps().await.contains(&format!("/{app}/web")));
        other.token_of(&shop);
        let said = desk.run(&other, &["run"]).await.code(0);
        said.says(&[&format!(
            "{app} of {repository} ({branch}) is registered at the observer"
        )]);
        assert!(desk.apps().await.contains(&format!("/{app}/web")));
        until("its hook", async || {
            let hooks = desk.hooks(repository).await;
            if hooks.len() == 1 {
                Ok(())
            } else {
                Err(format!("{hooks:?}"))
            }
        })
        .await;
    }
    let observers = desk
        .apps()
        .await
        .into_iter()
        .filter(|a| a.contains("observer"));
    assert_eq!(observers.count(), 1);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_for_a_launch_is_hinted_at_and_the_app_is_deployed() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    let hint = desk.run(&shop, &["run"]).await.code(0);
    hint.says(&["shop runs, all healthy", "put a GitHub token into .pat"]);
    shop.pat();
    let node = "public_node: 127.0.0.1";
    for (key, hint) in [
        ("public_node", "write public_node into dploy.app"),
        ("repo_url", "repo_url"),
    ] {
        let whole = shop.read("dploy.app");
        shop.describe(key, "");
        desk.run(&shop, &["run"]).await.code(0).says(&[hint]);
        // and what is empty is not there
        shop.describe(key, &format!("{key}: \"\""));
        desk.run(&shop, &["run"]).await.code(0).says(&[hint]);
        shop.write("dploy.app", &whole);
        assert!(whole.contains(node));
    }
    assert_eq!(desk.apps().await, ["/shop/web"]);
    assert!(!shop.path.join(".dploy-token").exists());
    desk.run(&shop, &["run"]).await.code(0);
    assert_eq!(desk.apps().await, [OBSERVER, "/shop/web"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_nobody_pushed_is_asked_for_and_then_the_observer_is_launched() {
    let desk = Desk::new().await;
    let tool = desk.unpushed("tool", "acme/tool", "live").await;
    tool.pat();
    let said = desk.run(&tool, &["run"]).await.code(1);
    said.says(&["the app runs", "`git push origin HEAD:live`"]);
    assert_eq!(desk.apps().await, ["/tool/web"]);
    desk.town.github.faults().down(true);
    let said = desk.run(&tool, &["run"]).await.code(1);
    let said = said.says(&["the app runs"]);
    assert!(
        !said.text().contains("git push origin"),
        "GitHub is down: {said:?}"
    );
    desk.town.github.faults().down(false);
    tool.push("live");
    desk.run(&tool, &["run"])
        .await
        .code(0)
        .says(&["The observer runs."]);
    assert_eq!(desk.apps().await, [OBSERVER, "/tool/web"]);
    desk.end().await;
}

/// The built-in spec for processes with other values.
fn own_spec(data: &str) -> Value {
    let text = include_str!("../../../src/dploy/observer-process.json");
    let mut spec: Value = serde_json::from_str(text).unwrap();
    spec["id"] = "/own/observer".into();
    spec["cpus"] = 0.3.into();
    spec["env"]["DPLOY_OBSERVER_DATA"] = data.into();
    spec["env"]["DPLOY_OBSERVER_POLL"] = "1".into();
    spec["labels"] = json!({"OWN": "label"});
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_of_ones_own_replaces_the_template_and_what_it_sets_stays() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let data = desk.town.dir.path().join("own data").display().to_string();
    let mut spec = own_spec(&data);
    let token = "a-token-that-the-spec-brings";
    // one that would be filled in otherwise
    let api = format!("{}/api/v3", desk.town.github.url());
    spec["env"]["DPLOY_OBSERVER_GITHUB_API"] = api.into();
    spec["env"]["DPLOY_OBSERVER_TOKEN_SHA256"] = hex::encode(Sha256::digest(token)).into();
    // what is said here and there too is asked back, and not overlooked
    let mut twice = spec.clone();
    twice["env"]["DPLOY_OBSERVER_TOKEN_NAME"] = "bob".into();
    twice["env"]["DPLOY_OBSERVER_TLS_CERT"] = "cert.pem".into();
    shop.write("own.json", &twice.to_string());
    for typed in [["-name", "ana"].as_slice(), &["-self-signed"]] {
        let run = [&["run", "-observer-spec", "own.json"], typed].concat();
        desk.run(&shop, &run).await.code(1).says(&[
            &format!("{} is given, and the env of -observer-spec", typed[0]),
            "leave out one",
        ]);
    }
    assert_eq!(desk.apps().await, ["/shop/web"]);
    shop.write("own.json", &spec.to_string());
    let said = desk
        .run(
            &shop,
            &["run", "-observer-spec", "own.json", "-name", "ana"],
        )
        .await
        .code(0);
    said.says(&["the token that the observer's spec names"]);
    assert!(
        !shop.path.join(".dploy-token").exists(),
        "it would not be the observer's"
    );
    let app = desk.town.marathon("/v2/apps//own/observer").await["app"].clone();
    assert_eq!(app["cpus"], 0.3);
    for key in [
        "DPLOY_OBSERVER_GITHUB_API",
        "DPLOY_OBSERVER_DATA",
        "DPLOY_OBSERVER_POLL",
        "DPLOY_OBSERVER_TOKEN_SHA256",
    ] {
        assert_eq!(app["env"][key], spec["env"][key]);
    }
    assert_eq!(app["env"]["DPLOY_OBSERVER_TOKEN_NAME"], "ana");
    assert_eq!(app["labels"]["OWN"], "label");
    assert_eq!(app["labels"]["DPLOY_OBSERVER"], "true");
    // it is found again
    let said = desk.run(&shop, &["run"]).await;
    assert!(!said.text().contains("launching"), "{said:?}");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_cannot_be_used_is_named_with_its_place_and_nothing_is_launched() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let docker = concat!(env!("CARGO_MANIFEST_DIR"), "/observer.json");
    shop.write("broken.json", "{\n  \"id\": \"/x\",\n  oops\n}\n");
    shop.write("list.json", "[]");
    shop.write("env.json", r#"{"id": "/x", "env": []}"#);
    shop.write(
        "typo.json",
        r#"{"id": "/x", "env": {"A": "<DPLOY_PUBLIC_NODEE>"}}"#,
    );
    shop.write("nameless.json", "{}");
    for (file, sentence) in [
        ("broken.json", "broken.json:3:3: "),
        (
            "list.json",
            "list.json:1:1: the observer's spec is no JSON object",
        ),
        ("env.json", "env.json:1:1: env of the observer's spec"),
        (
            "typo.json",
            "typo.json: nothing is known to fill <DPLOY_PUBLIC_NODEE> in with",
        ),
        ("nameless.json", "the observer's spec: id: "),
        ("missing.json", "missing.json"),
        (docker, "docker build -t <registry>/dploy-observer ."),
    ] {
        let said = desk.run(&shop, &["run", "-observer-spec", file]).await;
        said.code(1).says(&[sentence]);
    }
    assert_eq!(desk.apps().await, ["/shop/web"]);
    assert!(!shop.path.join(".dploy-token").exists());
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_failed_is_repaired_by_another_one() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let data = desk.town.dir.path().join("own data").display().to_string();
    let good = own_spec(&data);
    let mut bad = good.clone();
    bad["cmd"] = "exit 3".into();
    shop.write("own.json", &bad.to_string());
    let run = ["run", "-observer-spec", "own.json"];
    let said = desk.run(&shop, &run).await.code(1);
    said.says(&[
        "does not get healthy",
        "exit 3",
        "`dploy run` launches it again",
    ]);
    // as it is it fails again
    let said = desk.run(&shop, &run).await.code(1);
    said.says(&[
        "its launch never came to an end, and is begun again",
        "does not get healthy",
    ]);
    shop.write("own.json", &good.to_string());
    let said = desk.run(&shop, &run).await.code(0);
    said.says(&[
        "its launch never came to an end, and is begun again",
        "The observer runs.",
    ]);
    assert_eq!(desk.apps().await, ["/own/observer", "/shop/web"]);
    // what runs is launched again on demand alone
    let said = desk.run(&shop, &run).await.code(0);
    assert!(!said.text().contains("launching"), "{said:?}");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_somebody_else_is_not_replaced_by_the_observer() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let theirs = service(OBSERVER, 7, "");
    let (status, _) = desk.town.marathon_send("POST", "/v2/apps", &theirs).await;
    assert_eq!(status, 201);
    let said = desk.run(&shop, &["run"]).await.code(1);
    said.says(&["/dploy-observer runs in Marathon already", "-observer-spec"]);
    assert_eq!(desk.town.version(OBSERVER).await, "7");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_others_know_is_not_given_to_an_observer() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    // as a clone would bring it along
    shop.write(".dploy-token", "a-token-that-others-know\n");
    shop.git(&["add", "-f", ".dploy-token"]);
    let said = desk.run(&shop, &["run"]).await.code(1);
    said.says(&[
        ".dploy-token is in the repository",
        "git rm --cached .dploy-token",
    ]);
    assert_eq!(desk.apps().await, ["/shop/web"]);
    shop.git(&["rm", "-q", "--cached", ".dploy-token"]);
    // a link leads to a file that must not be touched
    shop.remove(".dploy-token");
    let precious = desk.home.join("precious");
    std::fs::write(&precious, "precious\nlines\n").unwrap();
    std::os::unix::fs::symlink(&precious, shop.path.join(".dploy-token")).unwrap();
    let said = desk.run(&shop, &["run"]).await.code(0);
    said.says(&["another token is made"]);
    assert_eq!(
        std::fs::read_to_string(&precious).unwrap(),
        "precious\nlines\n"
    );
    assert_eq!(mode(&shop, ".dploy-token"), 0o600);
    let hash = hex::encode(Sha256::digest(shop.read(".dploy-token").trim()));
    assert_eq!(
        desk.observer().await["env"]["DPLOY_OBSERVER_TOKEN_SHA256"],
        hash
    );
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_the_right_for_hooks_is_an_error_and_pushes_are_found_all_the_same() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.write(".pat", WEAK_PAT);
    let data = desk.town.dir.path().join("own data").display().to_string();
    let mut spec = own_spec(&data);
    spec["id"] = OBSERVER.into();
    shop.write("own.json", &spec.to_string());
    let said = desk
        .run(&shop, &["run", "-observer-spec", "own.json"])
        .await
        .code(1);
    said.says(&[
        "The observer runs.",
        "(it does not work)",
        "the webhook does not work: ",
        "polling",
    ]);
    assert!(desk.hooks("acme/shop").await.is_empty());
    desk.deployed("shop", 1).await;
    shop.write("specs/web.json", &service("/shop/web", 2, "").to_string());
    shop.commit();
    shop.push("dcos");
    desk.deployed("shop", 2).await;
    assert_eq!(desk.town.version("/shop/web").await, "2");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_found_at_the_new_port_after_a_restart() {
    let (desk, shop) = Desk::launched().await;
    desk.deployed("shop", 1).await;
    let before = desk.run(&shop, &["history"]).await.code(0).out;
    assert!(before.contains("#1"), "{before}");
    let (task, url) = desk.healthy("").await;
    let path = format!("/v2/apps/{OBSERVER}/restart");
    let (status, said) = desk.town.marathon_send("POST", &path, &json!({})).await;
    assert_eq!(status, 200, "{said}");
    let (_, moved) = desk.healthy(&task).await;
    assert_ne!(url, moved);
    let after = desk.run(&shop, &["history"]).await.code(0).out;
    assert_eq!(before, after);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_destroyed_comes_back_with_the_next_run() {
    let (desk, shop) = Desk::launched().await;
    desk.deployed("shop", 1).await;
    let token = shop.read(".dploy-token");
    desk.run(&shop, &["destroy", "-yes"]).await.code(0);
    desk.nothing_but(&[], &[]).await;
    let said = desk.run(&shop, &["run"]).await.code(0);
    said.says(&["The observer runs.", "GitHub's ping arrived"]);
    assert_eq!(shop.read(".dploy-token"), token, "who has a copy may go on");
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    // the numbers go on
    desk.deployed("shop", 2).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_standard_output_is_one_document() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let said = desk.run(&shop, &["run", "--json"]).await.code(0);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["result"], "succeeded");
    let (_, url) = desk.healthy("").await;
    let observer = &document["observer"];
    assert_eq!(observer["url"], url);
    assert!(observer["hook"]["pinged_at"].is_string(), "{observer}");
    assert!(!said.text().contains(PAT));
    desk.end().await;
}

/// A spec as the first release came with one: a relative id, and run-time parameters that are filled in.
fn seeds_spec(desk: &Desk) -> Value {
    let mut spec = own_spec(&desk.town.dir.path().join("own data").display().to_string());
    spec["id"] = "dploy-observer".into();
    spec["acceptedResourceRoles"] = json!(["slave_public"]);
    spec["env"]["DPLOY_PUBLIC_NODE"] = "".into();
    spec["env"]["DPLOY_OBSERVER_GITHUB_PAT"] = "".into();
    spec["env"]["DPLOY_OBSERVER_GITHUB_OWNER"] = "mhausenblas".into();
    spec["env"]["DPLOY_OBSERVER_GITHUB_REPO"] = "s4d".into();
    spec
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_a_secret_of_the_cluster_stays_one() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let mut spec = seeds_spec(&desk);
    spec["env"]["DPLOY_OBSERVER_GITHUB_PAT"] = json!({"secret": "pat"});
    spec["secrets"] = json!({"pat": {"source": "/observer/pat"}});
    shop.write("own.json", &spec.to_string());
    // a local Marathon has no secrets: what it refuses is what was asked for
    let said = desk
        .run(&shop, &["run", "-observer-spec", "own.json"])
        .await
        .code(1);
    said.says(&["secrets"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_of_the_first_release_is_filled_in_and_taken() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let mut spec = seeds_spec(&desk);
    let image = json!({"type": "DOCKER", "docker": {"image": "mhausenblas/dploy-observer:1.0.3"}});
    let mut docker = spec.clone();
    docker["container"] = image;
    shop.write("observer.json", &docker.to_string());
    let run = ["run", "-observer-spec", "observer.json"];
    let said = desk.run(&shop, &run).await.code(1);
    said.says(&["is the observer of the first release", "-observer-image"]);
    spec["labels"] = Value::Null;
    spec.as_object_mut().unwrap().remove("labels");
    shop.write("observer.json", &spec.to_string());
    let said = desk.run(&shop, &run).await.code(0);
    said.says(&[
        "launching the observer as /dploy-observer",
        "observer.json: DPLOY_OBSERVER_GITHUB_OWNER is acme here, as in repo_url of dploy.app, and not mhausenblas",
    ]);
    let app = desk.observer().await;
    for (key, value) in [("OWNER", "acme"), ("REPO", "shop"), ("PAT", PAT)] {
        assert_eq!(app["env"][format!("DPLOY_OBSERVER_GITHUB_{key}")], value);
    }
    assert_eq!(app["tasks"][0]["host"], "localhost", "the public agent");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_with_the_program_needs_no_image() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let dir = desk.town.dir.path();
    // the program of the tests is large: what is fetched leads to it
    let program = format!("#!/bin/sh\nexec '{}' \"$@\"\n", program::OBSERVER);
    std::fs::write(dir.join("observer"), program).unwrap();
    let packed = format!(
        "cd '{dir}' && chmod 755 observer && tar -czf dploy-observer.tgz observer && rm observer",
        dir = dir.display()
    );
    desk.shell(&shop, &packed).await.code(0);
    let url = format!("file://{}/dploy-observer.tgz", dir.display());
    let said = desk
        .run(&shop, &["run", "-observer-artifact", &url])
        .await
        .code(0);
    said.says(&["The observer runs."]);
    let app = desk.observer().await;
    assert_eq!(app["fetch"][0]["uri"], url.as_str());
    assert_eq!(app["cmd"], "exec ./observer -listen 0.0.0.0:$PORT0");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster_the_observer_stays_where_its_log_is() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let gate = Gate::cluster(&desk.town.marathon_url);
    shop.describe("marathon_url", &format!("marathon_url: {}", gate.url()));
    desk.confirms_marathon(&gate.url());
    shop.commit();
    shop.push("dcos");
    let mut spec = seeds_spec(&desk);
    // behind a tunnel its address is not passed on
    spec["env"]["DPLOY_MARATHON_URL"] = desk.town.marathon_url.clone().into();
    shop.write("observer.json", &spec.to_string());
    let run = ["run", "-observer-spec", "observer.json"];
    let said = desk.run(&shop, &run).await.code(0);
    said.says(&["/dploy-observer stays on localhost, where its log is"]);
    let constraint = json!([["hostname", "CLUSTER", "localhost"]]);
    assert_eq!(desk.observer().await["constraints"], constraint);
    let versions = async || {
        let path = format!("/v2/apps{OBSERVER}/versions");
        desk.town.marathon(&path).await["versions"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = versions().await;
    let again = [&run[..], &["-relaunch"]].concat();
    desk.run(&shop, &again).await.code(0);
    assert_eq!(desk.observer().await["constraints"], constraint);
    assert!(versions().await <= before + 1, "it is known beforehand");
    // nor does it go elsewhere after a launch that failed
    let mut bad = spec.clone();
    bad["cmd"] = "exit 3".into();
    shop.write("observer.json", &bad.to_string());
    desk.run(&shop, &again).await.code(1);
    assert_eq!(desk.observer().await["constraints"], constraint);
    shop.write("observer.json", &spec.to_string());
    let said = desk.run(&shop, &run).await.code(0);
    said.says(&["is begun again"]);
    assert_eq!(desk.observer().await["constraints"], constraint);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_says_what_run_would_stop_at() {
    let desk = Desk::new().await;
    let shop = desk.unpushed("shop", "acme/bare", "dcos").await;
    let mut bad = service("/shop/web", 1, "");
    bad["upgradeStrategy"]["minimumHealthCapacity"] = 2.into();
    shop.write("specs/web.json", &bad.to_string());
    let before = desk.apps().await;
    let gate = Gate::cluster(&desk.town.marathon_url);
    shop.describe("marathon_url", &format!("marathon_url: {}", gate.url()));
    desk.confirms_marathon(&gate.url());
    let refused = "✖ run would stop: specs/web.json: Marathon refused /shop/web: upgradeStrategy";
    // without a token no observer is launched
    let said = desk.run(&shop, &["dryrun"]).await.code(1);
    let said = said.says(&[refused, "minimumHealthCapacity"]);
    assert!(!said.text().contains("image"), "{said:?}");
    shop.write(".pat", WEAK_PAT);
    let said = desk.run(&shop, &["dryrun"]).await.code(1);
    said.says(&[
        refused,
        "✖ run would stop: acme/bare has no branch dcos yet; `git push origin HEAD:dcos`",
        "✖ run would stop: which image is the observer's?",
    ]);
    // nor where nobody confirmed GitHub, and nobody can be asked
    let hosts = desk.home.join("config/dploy/hosts");
    let confirmed = std::fs::read_to_string(&hosts).unwrap();
    std::fs::remove_file(&hosts).unwrap();
    let said = desk.run(&shop, &["dryrun"]).await.code(1);
    said.says(&[
        "create     /shop/web",
        refused,
        "✖ run would stop: dploy.app leads to GitHub's API at",
    ]);
    std::fs::write(&hosts, confirmed).unwrap();
    shop.write("specs/web.json", &service("/shop/web", 1, "").to_string());
    shop.commit();
    shop.push("dcos");
    let image = ["dryrun", "-json", "-observer-image=x/observer:1"];
    let said = desk.run(&shop, &image).await.code(1);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    let stops = plan["stops"].as_array().unwrap();
    assert_eq!(stops.len(), 1, "{stops:?}");
    assert!(
        stops[0].as_str().unwrap().contains("needs admin:repo_hook"),
        "{stops:?}"
    );
    shop.pat();
    let said = desk.run(&shop, &image).await.code(0);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(plan["stops"], json!([]));
    assert_eq!(desk.apps().await, before, "nothing was changed");
    let groups = desk.town.marathon("/v2/groups").await;
    assert_eq!(groups["groups"], json!([]), "nor was a group made");
    desk.end().await;
}

/// What `dryrun` says of the observer.
async fn foreseen(desk: &Desk, shop: &Workspace, flags: &[&str]) -> (Value, Value) {
    let dry_run = [&["dryrun", "-json"][..], flags].concat();
    let said = desk.run(shop, &dry_run).await.code(0);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    (plan["observer"].clone(), plan["services"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_what_run_does_with_the_observer() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    let (observer, _) = foreseen(&desk, &shop, &[]).await;
    assert_eq!(observer, Value::Null, "without a token there is none");
    shop.pat();
    let (observer, services) = foreseen(&desk, &shop, &[]).await;
    let launched = |change: &str| {
        let runs = "exec observer -listen 127.0.0.1:$PORT0";
        json!({"change": change, "id": OBSERVER, "runs": runs})
    };
    assert_eq!(observer, launched("launch"));
    assert_eq!(services[0]["change"], "create");
    desk.run(&shop, &["run"]).await.code(0);
    let (observer, services) = foreseen(&desk, &shop, &[]).await;
    assert_eq!(observer, Value::Null, "it runs");
    assert_eq!(services[0]["change"], "unchanged");
    // what is said of its launch is not passed over in silence, by either
    for command in ["dryrun", "run"] {
        let said = desk
            .run(&shop, &[command, "-observer-image=x/observer:1"])
            .await
            .code(0);
        said.says(&["-observer-image counts with -relaunch only"]);
    }
    let (observer, services) = foreseen(&desk, &shop, &["-relaunch"]).await;
    assert_eq!(observer, launched("relaunch"));
    assert_eq!(services, json!([]), "nothing else is done");
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_says_that_an_app_keeps_its_name() {
    let (desk, shop) = Desk::launched().await;
    shop.describe("app_name", "app_name: market");
    let said = desk.run(&shop, &["doctor"]).await.code(1);
    said.says(&["the observer deploys this branch as shop, and dploy.app calls it market"]);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_of_a_private_repository_is_for_who_has_the_token() {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let hidden = desk.hide("acme/shop").await;
    assert_eq!(hidden["visibility"], "private");
    let said = desk.run(&shop, &["run"]).await.code(0);
    said.says(&["The observer runs.", "GitHub's ping arrived"]);
    let said = desk.run(&shop, &["run"]).await.code(0);
    assert!(!said.text().contains("launching"), "{said:?}");
    for command in ["status", "history", "doctor"] {
        desk.run(&shop, &[command]).await.code(0);
    }
    desk.run(&shop, &["lock", "-m", "audit"]).await.code(0);
    let token = shop.read(".dploy-token");
    shop.remove(".dploy-token");
    // what it does not show is not taken for what is not there: nothing goes around the lock
    for command in [
        &["status"][..],
        &["run"],
        &["scale", "-pid", "web", "-instances", "2"],
    ] {
        let said = desk.run(&shop, command).await.code(1);
        said.says(&["needs its operator token"]);
    }
    assert_eq!(
        desk.town.marathon("/v2/apps/shop/web").await["app"]["instances"],
        1
    );
    shop.write(".dploy-token", &token);
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(shop.path.join(".dploy-token"), mode).unwrap();
    desk.run(&shop, &["unlock"]).await.code(0);
    desk.run(&shop, &["destroy", "-yes"]).await.code(0);
    assert_eq!(desk.apps().await, Vec::<String>::new());
    assert_eq!(desk.hooks("acme/shop").await.len(), 0);
    desk.end().await;
}

/// A file of the workspace alone is no sign of trust: a repository may have brought it along.
async fn not_by_its_certificate_alone(
    hosts: &std::path::Path,
    run: &impl AsyncFn(&[&str]) -> Said,
) {
    let remembered = std::fs::read_to_string(hosts).unwrap();
    std::fs::write(hosts, "").unwrap();
    run(&["history"]).await.code(0);
    let refused = run(&["lock", "-m", "audit"]).await.code(1);
    refused.says(&["nobody confirmed that the operator token may go there"]);
    std::fs::write(hosts, remembered).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_launch_on_it_speaks_tls_with_a_certificate_that_dploy_knows_and_the_log_names_people()
 {
    let desk = Desk::new().await;
    let shop = desk.workspace("shop", "acme/shop", "dcos").await;
    shop.pat();
    let launch = ["run", "-self-signed", "-name", "ana"];
    let said = desk.run(&shop, &launch).await.code(0);
    let said = said.says(&[
        "dashboard  https://127.0.0.1:",
        "(GitHub's ping arrived)",
        "certificate made here; its SHA-256 is",
        "insecure_ssl",
    ]);
    for file in [".dploy-key.pem", ".dploy-cert.pem", ".dploy-token"] {
        assert_eq!(mode(&shop, file), 0o600, "{file}");
    }
    let pem = shop.read(".dploy-cert.pem");
    let chain = tls::chain(&pem).unwrap();
    assert!(
        said.text().contains(&tls::fingerprint(&chain[0])),
        "{said:?}"
    );
    let key = shop.read(".dploy-key.pem");
    assert!(!said.text().contains(key.lines().nth(1).unwrap()));
    let definition = desk.observer().await;
    assert_eq!(definition["healthChecks"][0]["protocol"], "HTTPS");
    assert_eq!(definition["env"]["DPLOY_OBSERVER_TOKEN_NAME"], "ana");
    // nobody is asked whether it may have the token, wherever its task is: it has the key that was made here
    let hosts = desk.home.join("config/dploy/hosts");
    let remembered = std::fs::read_to_string(&hosts).unwrap();
    let made = remembered
        .lines()
        .find(|l| l.starts_with("observer-certificate "))
        .unwrap();
    std::fs::write(&hosts, format!("{made}\n")).unwrap();
    let by_flag = [
        "-marathon-url",
        &desk.town.marathon_url,
        "-github-api",
        desk.town.github.url(),
    ];
    let run = async |more: &[&str]| {
        let all: Vec<&str> = more.iter().copied().chain(by_flag).collect();
        desk.run(&shop, &all).await
    };
    shop.write("specs/web.json", &service("/shop/web", 2, "").to_string());
    shop.commit();
    shop.push("dcos");
    run(&["run"]).await.code(0).says(&["#2 of"]);
    // the first rollback by API, over TLS, by dploy and by anybody who was given the certificate
    run(&["rollback", "-y", "-deploy", "1"])
        .await
        .code(0)
        .says(&["#3 of"]);
    let url = run(&["status", "-json"]).await;
    assert!(url.out.contains("operator:ana"), "{url:?}");
    let dashboard = said.text();
    let base = dashboard.split("dashboard  ").nth(1).unwrap();
    let base = base.split("/apps/").next().unwrap();
    let token = shop.read(".dploy-token").trim().to_owned();
    let curl = std::process::Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--cacert"])
        .arg(shop.path.join(".dploy-cert.pem"))
        .args([
            "-H",
            &format!("Authorization: Bearer {token}"),
            "--json",
            "{\"to\": \"#2\"}",
        ])
        .arg(format!("{base}/apps/shop/rollback"))
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&curl.stdout).unwrap();
    assert_eq!(answer["deploy"], 4, "{answer}");
    not_by_its_certificate_alone(&hosts, &run).await;
    // another server in its place has not the key
    let (impostor, _) = tls::made_for("127.0.0.1").unwrap();
    shop.write(".dploy-cert.pem", &impostor);
    let refused = run(&["history"]).await.code(1);
    refused.says(&["a certificate that is not trusted here", "-ca-cert"]);
    shop.write(".dploy-cert.pem", &pem);
    // launched again it is the same one
    let again = run(&["run", "-relaunch", "-self-signed"]).await;
    assert!(
        again.text().contains(&tls::fingerprint(&chain[0])),
        "{again:?}"
    );
    let definition = desk.observer().await;
    assert_eq!(definition["env"]["DPLOY_OBSERVER_TOKEN_NAME"], "ana");
    // people get tokens of their own, and lose them
    let made = run(&["token", "add", "bob", "-role", "viewer", "-expires", "2h"]).await;
    made.code(0)
        .says(&["viewer of all apps", "shown this once"]);
    run(&["token", "list"])
        .await
        .code(0)
        .says(&["ana", "admin", "bob", "viewer"]);
    run(&["token", "remove", "bob"])
        .await
        .code(0)
        .says(&["bob is out"]);
    run(&["token", "remove", "ana"])
        .await
        .code(1)
        .says(&["last one that makes tokens"]);
    run(&["destroy", "-y"]).await.code(0);
    desk.end().await;
}
