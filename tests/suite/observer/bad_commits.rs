//! Commits that cannot be deployed: each says where and what, the old version serves on, and the next good push works.

use std::fmt::Write as _;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::town::{Town, quick, service};

/// A commit that cannot be deployed.
struct Bad {
    what: &'static str,
    /// Makes it, in a clone that is at the good commit.
    make: fn(&Town),
    code: &'static str,
    /// How its sentence begins.
    place: &'static str,
    /// And what else it says.
    says: &'static str,
}

fn bad(what: &'static str, place: &'static str, says: &'static str, make: fn(&Town)) -> Bad {
    Bad {
        what,
        make,
        code: "SPEC_INVALID",
        place,
        says,
    }
}

fn bytes(town: &Town, path: &str, content: &[u8]) {
    std::fs::write(town.clone.join(path), content).unwrap();
}

fn remove(town: &Town, path: &str) {
    std::fs::remove_file(town.clone.join(path)).unwrap();
}

fn submodule(town: &Town, path: &str) {
    for arguments in [
        &["init", "-q", path][..],
        &[
            "-C",
            path,
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b.c",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    ] {
        town.git(arguments);
    }
}

/// Pushes each, and after each a good commit.
async fn each_is_refused_and_the_next_push_works(town: Town, cases: Vec<Bad>) {
    let good = town.git(&["rev-parse", "HEAD"]);
    let tasks = town.tasks("/shop/web").await;
    let mut number = 1;
    for case in cases {
        (case.make)(&town);
        town.push(case.what);
        number += 1;
        let deploy = town.ended(number).await;
        let sentence = deploy["failure"]["sentence"].as_str().unwrap_or_default();
        assert_eq!(
            deploy["failure"]["code"], case.code,
            "{}: {deploy}",
            case.what
        );
        assert!(
            sentence.starts_with(case.place) && sentence.contains(case.says),
            "{}: {sentence:.2000}",
            case.what
        );
        assert!(sentence.len() < 9000, "{}: {}", case.what, sentence.len());
        assert_eq!(town.tasks("/shop/web").await, tasks, "{}", case.what);
        town.git(&["reset", "-q", "--hard", &good]);
        town.git(&["clean", "-ffdqx"]);
        town.write("README.md", &format!("after {}\n", case.what));
        town.push("good");
        number += 1;
        let deploy = town.ended(number).await;
        // what Marathon was asked for is looked at again
        let state = if case.code == "REJECTED" {
            "succeeded"
        } else {
            "unchanged"
        };
        assert_eq!(deploy["state"], state, "{}: {deploy}", case.what);
        town.git(&["reset", "-q", "--hard", &good]);
    }
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("version 2");
    assert_eq!(town.ended(number + 1).await["state"], "succeeded");
    assert_eq!(town.version("/shop/web").await, "2");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_that_is_wrong_is_named_with_line_and_column() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let cases = vec![
        bad("no descriptor", "dploy.app", "is missing", |t| {
            remove(t, "dploy.app");
        }),
        bad("broken YAML", "dploy.app:2:", "", |t| {
            t.write("dploy.app", "app_name: [\n");
        }),
        bad("a tab", "dploy.app:2:", "", |t| {
            t.write("dploy.app", "app_name: shop\n\tprune: true\n");
        }),
        bad(
            "an unknown key",
            "dploy.app:2:1: unknown key \"prnue\"",
            "did you mean \"prune\"?",
            |t| t.write("dploy.app", "app_name: shop\nprnue: true\n"),
        ),
        bad("a key that is a number", "dploy.app:2:1: ", "5", |t| {
            t.write("dploy.app", "app_name: shop\n5: true\n");
        }),
        bad("an endless key", "dploy.app:2:1: unknown key", "cut", |t| {
            let text = format!("app_name: shop\n{}: true\n", "k".repeat(900));
            t.write("dploy.app", &text);
        }),
        bad("a wrong type", "dploy.app:2:", "", |t| {
            t.write("dploy.app", "app_name: shop\nprune: maybe\n");
        }),
        bad(
            "another name",
            "dploy.app: app_name is \"store\"",
            "an app keeps its name",
            |t| t.write("dploy.app", "app_name: store\n"),
        ),
        bad(
            "an endless name",
            "dploy.app:1:11: app_name",
            "would do",
            |t| {
                let text = format!("app_name: {}\n", "n".repeat(100_000));
                t.write("dploy.app", &text);
            },
        ),
        bad("a bomb", "dploy.app:", "", |t| {
            let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
            for i in 1..12 {
                let of = format!("*a{},", i - 1).repeat(9);
                writeln!(text, "a{i}: &a{i} [{}]", of.trim_end_matches(',')).unwrap();
            }
            t.write("dploy.app", &text);
        }),
        bad("not text", "dploy.app:2:1: ", "not UTF-8", |t| {
            bytes(t, "dploy.app", b"app_name: shop\n\xff\n");
        }),
        bad("empty", "dploy.app:1:1: ", "app_name", |t| {
            bytes(t, "dploy.app", b"");
        }),
        bad("a link", "dploy.app:1:1: ", "symbolic link", |t| {
            remove(t, "dploy.app");
            symlink("/etc/passwd", t.clone.join("dploy.app")).unwrap();
        }),
    ];
    each_is_refused_and_the_next_push_works(town, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_specs_that_is_wrong_is_named_with_its_file() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let cases = vec![
        bad("no specs", "specs/ is missing", "put the", |t| {
            remove(t, "specs/web.json");
        }),
        bad("no JSON", "specs/ has no *.json file", "at least", |t| {
            remove(t, "specs/web.json");
            t.write("specs/web.yaml", "id: x\n");
        }),
        bad("a file called specs", "specs must be a folder", "", |t| {
            remove(t, "specs/web.json");
            std::fs::remove_dir(t.clone.join("specs")).unwrap();
            t.write("specs", "{}");
        }),
        bad("a link", "specs/link.json:1:1: ", "symbolic link", |t| {
            symlink("/etc/passwd", t.clone.join("specs/link.json")).unwrap();
        }),
        bad(
            "a linked folder",
            "specs/more:1:1: ",
            "symbolic link",
            |t| {
                symlink("..", t.clone.join("specs/more")).unwrap();
            },
        ),
        bad("a submodule", "specs/sub.json:1:1: ", "submodule", |t| {
            submodule(t, "specs/sub.json");
        }),
        bad("a plain submodule", "specs/sub:1:1: ", "submodule", |t| {
            submodule(t, "specs/sub");
        }),
        bad("large", "specs/web.json:1:1: ", "larger than 1 MiB", |t| {
            bytes(t, "specs/web.json", &vec![b' '; 1024 * 1024 + 1]);
        }),
        bad("too many", "specs/ has 501 files", "split the app", |t| {
            for i in 0..500 {
                t.write(&format!("specs/s{i}.json"), "{}");
            }
        }),
        bad("a name of tricks", "specs/", "invalid JSON", |t| {
            t.write("specs/a\u{202e}b\u{1b}[31m.json", "{");
        }),
    ];
    each_is_refused_and_the_next_push_works(town, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_that_is_wrong_is_named_with_file_line_and_column() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let cases = vec![
        bad("empty", "specs/web.json:1:", "invalid JSON", |t| {
            bytes(t, "specs/web.json", b"");
        }),
        bad("deep", "specs/web.json:1:", "recursion limit", |t| {
            t.write("specs/web.json", &"[".repeat(50_000));
        }),
        bad("a list", "specs/web.json:1:1: ", "object", |t| {
            t.write("specs/web.json", "[]");
        }),
        bad("twice", "specs/web.json:3:3: /cmd", "twice", |t| {
            let text = "{\n  \"id\": \"/shop/web\", \"cmd\": \"a\",\n  \"cmd\": \"b\"\n}";
            t.write("specs/web.json", text);
        }),
        bad("not text", "specs/web.json:2:1: ", "not UTF-8", |t| {
            bytes(t, "specs/web.json", b"{\n\"id\": \"\xff\"}");
        }),
        bad("a BOM", "specs/web.json:1:1: ", "byte order mark", |t| {
            let text = std::fs::read_to_string(t.clone.join("specs/web.json")).unwrap();
            t.write("specs/web.json", &format!("\u{feff}{text}"));
        }),
        bad("two of one id", "specs/web2.json:", "specs/web.json", |t| {
            t.spec("web2", &service("/shop/web", 3, ""));
        }),
        bad("no id", "specs/web.json:1:1: ", "id", |t| {
            t.write("specs/web.json", "{\"cmd\": \"x\"}");
        }),
        bad("an id of digits", "specs/web.json:1:8: ", "id", |t| {
            t.write("specs/web.json", "{\"id\": 5}");
        }),
        bad("a wrong id", "specs/web.json:1:8: ", "/Shop", |t| {
            t.write("specs/web.json", "{\"id\": \"/Shop/Web!\", \"cmd\": \"x\"}");
        }),
        bad("pods in a group", "specs/pods.json:", "pods", |t| {
            t.spec("pods", &json!({"id": "/shop", "pods": [{"id": "pod"}]}));
        }),
        bad("a pod", "specs/pod.json:", "pods", |t| {
            let containers = json!([{"name": "a", "exec": {"command": {"shell": "x"}}}]);
            t.spec(
                "pod",
                &json!({"id": "/shop/pod", "containers": containers, "scaling": {"kind": "fixed", "instances": 1}}),
            );
        }),
        bad(
            "an observer's label",
            "specs/web.json:1:",
            "the label DPLOY_OBSERVER is the observer's own",
            |t| {
                let mut spec = service("/shop/web", 2, "");
                spec["labels"] = json!({"DPLOY_OBSERVER": "true"});
                t.write("specs/web.json", &spec.to_string());
            },
        ),
        bad("no apps", "the specs name no app", "", |t| {
            t.spec("web", &json!({"id": "/shop", "apps": []}));
        }),
        Bad {
            code: "REJECTED",
            ..bad(
                "2",
                "Marathon refused /shop/web: upgradeStrategy",
                "",
                |t| {
                    let mut spec = service("/shop/web", 2, "");
                    spec["upgradeStrategy"]["minimumHealthCapacity"] = json!(2);
                    t.spec("web", &spec);
                },
            )
        },
    ];
    each_is_refused_and_the_next_push_works(town, cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_descriptor_with_a_byte_order_mark_and_windows_lines_is_read() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.write("dploy.app", "\u{feff}app_name: shop\r\nprune: false\r\n");
    town.push("from Windows");
    let deploy = town.ended(2).await;
    assert_eq!(deploy["state"], "unchanged", "{deploy}");
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_outside_of_what_is_allowed_is_not_touched() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::with_settings(&specs, &["--allow-ids=/shop"]).await;
    let cases = ["/elsewhere/web", "/shopping/web"].map(|id| Bad {
        code: "NOT_ALLOWED",
        ..match id {
            "/elsewhere/web" => bad(
                "elsewhere",
                "/elsewhere/web is outside",
                "DPLOY_OBSERVER_ALLOW_IDS",
                |t| t.spec("more", &service("/elsewhere/web", 1, "")),
            ),
            _ => bad("shopping", "/shopping/web is outside", "(/shop,", |t| {
                t.spec("more", &service("/shopping/web", 1, ""));
            }),
        }
    });
    let ids: Vec<Value> = town.marathon("/v2/apps").await["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["id"].clone())
        .collect();
    assert_eq!(ids, [json!("/shop/web")]);
    each_is_refused_and_the_next_push_works(town, cases.into()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_of_another_app_is_not_taken_over() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let tasks = town.tasks("/shop/web").await;
    town.write("dploy.app", "app_name: stage\n");
    town.spec("web", &service("/shop/web", 7, ""));
    town.git(&["add", "-A"]);
    town.git(&["commit", "-q", "-m", "stage"]);
    town.git(&["push", "-q", "origin", "HEAD:stage"]);
    let (status, body) = town
        .post(
            "/apps",
            &json!({"repository": "acme/shop", "branch": "stage"}),
        )
        .await;
    assert_eq!(status, 201, "{body}");
    let ended = async |number: u32| {
        test_kit::wait::until("the deploy of stage ends", async || {
            let path = format!("/apps/stage/deploys/{number}.json");
            let deploy = town.get(&path).await;
            if deploy["ended_at"].is_string() {
                Ok(deploy)
            } else {
                Err(deploy.to_string())
            }
        })
        .await
    };
    let failure = ended(1).await["failure"].clone();
    assert_eq!(failure["code"], "OF_ANOTHER_APP", "{failure}");
    let sentence = failure["sentence"].as_str().unwrap();
    assert!(
        sentence.starts_with("/shop/web belongs to the app shop"),
        "{sentence}"
    );
    assert_eq!(town.tasks("/shop/web").await, tasks);
    town.spec("web", &service("/stage/web", 7, ""));
    town.git(&["commit", "-qam", "its own id"]);
    town.git(&["push", "-q", "origin", "HEAD:stage"]);
    assert_eq!(ended(2).await["state"], "succeeded");
    assert_eq!(town.version("/stage/web").await, "7");
    assert_eq!(town.tasks("/shop/web").await, tasks);
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_commit_that_is_wrong_is_mended_by_the_next_push() {
    let town = Town::founded(&[("web", json!({"id": 5}))], &[], quick()).await;
    let deploy = town.ended(1).await;
    assert_eq!(deploy["failure"]["code"], "SPEC_INVALID", "{deploy}");
    town.spec("web", &service("/shop/web", 1, ""));
    town.push("mended");
    assert_eq!(town.ended(2).await["state"], "succeeded");
    town.end().await;
}
