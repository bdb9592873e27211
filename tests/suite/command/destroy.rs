//! `dploy destroy` leaves nothing, however the observer is; what it cannot remove it lists with the command that does.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use serde_json::{Value, json};

use crate::support::desk::{Desk, OBSERVER, Said, Workspace};
use crate::support::program::{Running, observer};
use crate::support::town::{PAT, WEAK_PAT};
use test_kit::wait::until;
use tokio_util::task::AbortOnDropHandle;

const DESTROY: [&str; 2] = ["destroy", "-yes"];

/// The indented lines below what is left.
fn commands(said: &Said) -> Vec<String> {
    let lines = said.out.lines().filter_map(|l| l.strip_prefix("    "));
    lines.map(str::to_owned).collect()
}

/// A desk whose app was launched and deployed.
async fn settled() -> (Desk, Workspace) {
    let (desk, shop) = Desk::launched().await;
    desk.deployed("shop", 1).await;
    (desk, shop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_observer_takes_everything_down_and_goes() {
    let (desk, shop) = settled().await;
    desk.run(&shop, &["history"]).await.code(0).says(&["#1"]);
    // the observer does it with its own token
    shop.remove(".pat");
    let said = desk.run(&shop, &DESTROY).await.code(0);
    said.says(&[
        "/shop/web was removed",
        "no webhook is left",
        "the observer /dploy-observer was removed",
        "shop is destroyed; nothing of it is left but the empty group /shop in Marathon.",
    ]);
    desk.nothing_but(&[], &[]).await;
    // and once more there is nothing to do
    shop.pat();
    desk.run(&shop, &DESTROY).await.code(0);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn right_after_a_kill_of_the_observer_nothing_is_left_whenever_it_comes_back() {
    for moment in [Moment::Before, Moment::Asked, Moment::ServiceGone] {
        let (desk, shop) = settled().await;
        let said = if moment == Moment::Before {
            desk.kill().await;
            desk.run(&shop, &DESTROY).await
        } else {
            // each call takes so long that the kill comes before the end
            let slow = std::time::Duration::from_millis(300);
            desk.town.github.faults().slow(slow);
            let said = tokio::join!(desk.run(&shop, &DESTROY), killed_at(&desk, moment)).0;
            desk.town.github.faults().reset();
            said
        };
        said.code(0).says(&[
            "shop is destroyed; nothing of it is left but the empty group /shop in Marathon.",
        ]);
        desk.nothing_but(&[], &[]).await;
        desk.end().await;
    }
}

/// When the observer is killed.
#[derive(Clone, Copy, PartialEq)]
enum Moment {
    /// Before it is asked to destroy.
    Before,
    /// As soon as its log says that it was asked.
    Asked,
    /// As soon as the service is gone.
    ServiceGone,
}

/// Kills the observer at that moment; it must be there then, and have more to do.
async fn killed_at(desk: &Desk, moment: Moment) {
    let (task, url) = desk.healthy("").await;
    let process = test_kit::marathon::process_of(&task);
    until("the moment of the kill", async || {
        if moment == Moment::ServiceGone {
            let apps = desk.apps().await;
            let there = apps.iter().any(|a| a == "/shop/web");
            return if there { Err(apps.join(" ")) } else { Ok(()) };
        }
        let events = desk.town.http.get(format!("{url}/events.jsonl")).send();
        let text = events.await.unwrap().text().await.unwrap();
        if text.contains("destroy_requested") {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    let mut kill = std::process::Command::new("kill");
    let killed = kill.args(["-KILL", &process]).status().unwrap();
    assert!(killed.success(), "the observer was gone before the kill");
    assert_eq!(
        desk.hooks("acme/shop").await.len(),
        1,
        "all was done before the kill"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_observer_dead_for_good_dploy_does_it_by_itself() {
    let (desk, shop) = settled().await;
    desk.kill_for_good().await;
    let said = desk.run(&shop, &DESTROY).await.code(0);
    said.says(&[
        "Doing it without the observer: no task of the observer /dploy-observer runs",
        "the observer /dploy-observer was removed",
        "/shop/web was removed",
        "was removed",
    ]);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_github_token_the_webhook_of_a_dead_observer_is_listed_and_removed_later() {
    let (desk, shop) = settled().await;
    desk.kill_for_good().await;
    shop.remove(".pat");
    let said = desk.run(&shop, &DESTROY).await.code(1);
    let page = format!("{}/acme/shop/settings/hooks", desk.town.github.url());
    let said = said.says(&["left: perhaps the webhook of acme/shop", ".pat", &page]);
    assert!(!said.text().contains("is destroyed"), "{said:?}");
    assert_eq!(desk.apps().await, Vec::<String>::new());
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    shop.pat();
    desk.run(&shop, &DESTROY)
        .await
        .code(0)
        .says(&["the webhook", "was removed"]);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

/// Stops the observer, removes its log, and starts it again with these variables.
async fn forgetful(desk: &Desk, change: &Value) {
    let path = format!("/v2/apps/{OBSERVER}?force=true");
    let scale = |n: u32| json!({"instances": n});
    let (task, _) = desk.healthy("").await;
    let (status, said) = desk.town.marathon_send("PUT", &path, &scale(0)).await;
    assert_eq!(status, 200, "{said}");
    until("the observer stops", async || {
        let app = desk.observer().await;
        if app["tasks"] == json!([]) {
            Ok(())
        } else {
            Err(app.to_string())
        }
    })
    .await;
    let app = desk.observer().await;
    let data = app["env"]["DPLOY_OBSERVER_DATA"].as_str().unwrap();
    std::fs::remove_dir_all(data).unwrap();
    let mut env = app["env"].clone();
    for (name, value) in change.as_object().unwrap() {
        env[name] = value.clone();
    }
    let body = json!({"instances": 1, "env": env});
    let (status, said) = desk.town.marathon_send("PUT", &path, &body).await;
    assert_eq!(status, 200, "{said}");
    desk.healthy(&task).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_lost_its_log_and_registered_the_app_again_leaves_no_hook() {
    let (desk, shop) = settled().await;
    forgetful(&desk, &json!({})).await;
    until("it registers a hook of its own", async || {
        let hooks = desk.hooks("acme/shop").await;
        if hooks.len() == 2 {
            Ok(())
        } else {
            Err(format!("{hooks:?}"))
        }
    })
    .await;
    desk.run(&shop, &DESTROY).await.code(0);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_knows_nothing_of_the_app_any_more_is_done_without() {
    let (desk, shop) = settled().await;
    // it would register only after an hour
    forgetful(&desk, &json!({"DPLOY_OBSERVER_DELAY_REGISTRATION": "3600"})).await;
    assert_eq!(desk.asked("/apps.json").await["apps"], json!([]));
    desk.run(&shop, &DESTROY).await.code(0);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

/// A second app at the observer of the first.
async fn second(desk: &Desk, shop: &Workspace, repository: &str, branch: &str) -> Workspace {
    let next = desk.workspace("next", repository, branch).await;
    next.pat();
    next.token_of(shop);
    desk.run(&next, &["run"]).await.code(0);
    next
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_apps_that_share_observer_and_repository_the_second_takes_all_with_it() {
    let (desk, shop) = settled().await;
    let next = second(&desk, &shop, "acme/shop", "next").await;
    // GitHub does not tell cases apart, and neither may we
    let url = format!("{}/Acme/Shop", desk.town.github.url());
    shop.describe("repo_url", &format!("repo_url: {url}"));
    let said = desk.run(&shop, &DESTROY).await.code(0);
    said.says(&[
        "/shop/web was removed",
        "the observer stays: it deploys next",
    ]);
    assert_eq!(desk.apps().await, [OBSERVER, "/next/web"]);
    assert_eq!(
        desk.hooks("acme/shop").await.len(),
        1,
        "the other app needs it"
    );
    desk.run(&next, &DESTROY).await.code(0);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_apps_of_two_repositories_each_takes_its_own_hook() {
    let (desk, shop) = settled().await;
    let next = second(&desk, &shop, "acme/next", "dcos").await;
    desk.run(&shop, &DESTROY).await.code(0);
    assert_eq!(desk.apps().await, [OBSERVER, "/next/web"]);
    assert!(desk.hooks("acme/shop").await.is_empty());
    assert_eq!(desk.hooks("acme/next").await.len(), 1);
    desk.run(&next, &DESTROY).await.code(0);
    assert!(desk.apps().await.is_empty() && desk.hooks("acme/next").await.is_empty());
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_observer_that_may_serve_another_app_is_listed_and_not_removed() {
    let (desk, shop) = settled().await;
    let next = second(&desk, &shop, "acme/next", "dcos").await;
    desk.kill_for_good().await;
    let said = desk.run(&shop, &DESTROY).await.code(1);
    let said = said.says(&["the observer /dploy-observer, which may serve next"]);
    assert_eq!(desk.apps().await, [OBSERVER, "/next/web"]);
    // what was printed removes it
    for command in commands(&said) {
        desk.shell(&shop, &command).await.code(0);
    }
    assert_eq!(desk.apps().await, ["/next/web"]);
    assert!(desk.hooks("acme/shop").await.is_empty());
    desk.run(&next, &DESTROY).await.code(0);
    assert!(desk.apps().await.is_empty());
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_without_an_observer_leaves_the_observer_of_another_app_alone() {
    let (desk, shop) = settled().await;
    let alone = desk.workspace("alone", "acme/alone", "dcos").await;
    alone.describe("repo_url", "");
    desk.run(&alone, &["run"]).await.code(0);
    desk.run(&shop, &["destroy", "-yes", "-keep-services"])
        .await
        .code(0);
    desk.run(&shop, &["run"]).await.code(0);
    desk.run(&alone, &DESTROY).await.code(0);
    assert_eq!(desk.apps().await, [OBSERVER, "/shop/web"]);
    desk.run(&alone, &["run"]).await.code(0);
    // dead, it may be needed all the more; nothing that runs says for whom
    desk.kill_for_good().await;
    let (status, _) = desk
        .town
        .marathon_send("DELETE", "/v2/apps//shop/web", &json!({}))
        .await;
    assert_eq!(status, 200);
    desk.run(&alone, &DESTROY)
        .await
        .code(1)
        .says(&["another repository or branch"]);
    assert_eq!(desk.apps().await, [OBSERVER]);
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_of_other_observers_and_of_others_stay() {
    let (desk, shop) = settled().await;
    let others = [
        "http://other.example:31000/dploy",
        "https://ci.example/build",
        "http://127.0.0.1:9/ci",
        // as the first release makes them: nothing signs it
        "http://127.0.0.1:9/dploy",
    ];
    for url in others {
        desk.foreign_hook("acme/shop", url).await;
    }
    desk.kill_for_good().await;
    desk.run(&shop, &DESTROY).await.code(0).says(&[
        "http://other.example:31000",
        "stays",
        "signs its own",
    ]);
    desk.nothing_but(&[], &others).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_observer_of_the_same_repository_that_is_down_for_a_moment_keeps_its_hook() {
    let (desk, shop) = settled().await;
    let hook = "http://127.0.0.1:9/dploy";
    desk.signed_hook("acme/shop", hook).await;
    let stopped = json!({"id": "/second/observer", "cmd": "sleep 100", "instances": 0, "labels": {"DPLOY_OBSERVER": "true"},
        "env": {"DPLOY_OBSERVER_GITHUB_OWNER": "acme", "DPLOY_OBSERVER_GITHUB_REPO": "shop"}});
    let (status, body) = desk
        .town
        .marathon_send("PUT", "/v2/apps/second/observer", &stopped)
        .await;
    assert_eq!(status, 201, "{body}");
    desk.run(&shop, &DESTROY)
        .await
        .code(0)
        .says(&["may be that of the observer /second/observer"]);
    assert_eq!(desk.hooks("acme/shop").await, [hook]);
    // once that one is gone, nobody's hook is in the way of nobody
    desk.town
        .marathon_send("DELETE", "/v2/apps/second/observer", &json!({}))
        .await;
    desk.run(&shop, &DESTROY).await.code(0);
    assert!(desk.hooks("acme/shop").await.is_empty());
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_observer_that_lives_on_the_same_node_keeps_its_hook() {
    let (desk, shop) = settled().await;
    let dir = tempfile::tempdir().unwrap();
    // it deploys the repository to another Marathon
    let api = format!("-github-api={}", desk.town.github.url());
    let pat = format!("-pat={PAT}");
    let mut arguments = vec![
        "-owner=acme",
        "-repo=shop",
        "-listen=127.0.0.1:0",
        &api,
        &pat,
    ];
    arguments.extend(["-public-node=127.0.0.1", "-marathon-url=http://127.0.0.1:9"]);
    arguments.extend(["-mesos-dns=http://127.0.0.1:9", "-data=data"]);
    let mut neighbour = Running::start(observer(dir.path(), &arguments), true);
    let said = neighbour.line_with("this is dploy observer").await;
    let url = said
        .split("url=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    let hook = format!("{url}/dploy");
    until("its hook", async || {
        let hooks = desk.hooks("acme/shop").await;
        if hooks.contains(&hook) {
            Ok(())
        } else {
            Err(format!("{hooks:?}, not {hook}"))
        }
    })
    .await;
    desk.kill_for_good().await;
    let said = desk.run(&shop, &DESTROY).await.code(0);
    said.says(&["another observer of this node"]);
    desk.nothing_but(&[], &[&hook]).await;
    neighbour.signal("-TERM").await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_kept_when_asked_whoever_does_it() {
    for dead in [false, true] {
        let (desk, shop) = settled().await;
        if dead {
            desk.kill_for_good().await;
        }
        let said = desk
            .run(&shop, &["destroy", "-yes", "-keep-services"])
            .await
            .code(0);
        let said = said.says(&["its services run on, nothing else of it is left"]);
        assert!(!said.text().contains("/shop/web was removed"), "{said:?}");
        desk.nothing_but(&["/shop/web"], &[]).await;
        assert_eq!(desk.town.version("/shop/web").await, "1");
        desk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_marathon_does_not_let_go_is_listed_with_the_command_that_removes_it() {
    let (desk, shop) = settled().await;
    desk.kill_for_good().await;
    desk.fault(&json!({"refuse": {"status": 422, "message": "not today", "times": 100}}))
        .await;
    let said = desk.run(&shop, &DESTROY).await.code(1);
    let said = said.says(&[
        "left: /shop/web (",
        "left: the observer /dploy-observer (",
        "not today",
    ]);
    assert_eq!(desk.apps().await, [OBSERVER, "/shop/web"]);
    let printed = commands(&said);
    assert_eq!(printed.len(), 2, "{said:?}");
    // a command that did nothing says so
    assert_ne!(desk.shell(&shop, &printed[0]).await.code, 0);
    desk.fault(&json!({"reset": true})).await;
    for command in printed {
        desk.shell(&shop, &command).await.code(0);
    }
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_the_token_may_not_remove_is_listed() {
    let (desk, shop) = settled().await;
    desk.kill_for_good().await;
    shop.write(".pat", WEAK_PAT);
    desk.run(&shop, &DESTROY)
        .await
        .code(1)
        .says(&["left: perhaps the webhook of acme/shop"]);
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    shop.pat();
    desk.run(&shop, &DESTROY).await.code(0);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_asks_for_the_name_and_a_wrong_one_destroys_nothing() {
    let (desk, shop) = settled().await;
    desk.run(&shop, &["destroy"]).await.code(1).says(&["-yes"]);
    for wrong in ["", "yes", "shopp"] {
        let said = desk
            .typed(&shop, "destroy", &format!("{wrong}\n"))
            .await
            .code(1);
        said.says(&["Type shop to go on:", "nothing was destroyed"]);
    }
    assert_eq!(desk.apps().await, [OBSERVER, "/shop/web"]);
    assert_eq!(desk.hooks("acme/shop").await.len(), 1);
    desk.typed(&shop, "destroy", "shop\n")
        .await
        .code(0)
        .says(&["nothing of it is left"]);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_github_down_the_rest_goes_and_a_later_run_removes_the_webhook() {
    for dead in [false, true] {
        let (desk, shop) = settled().await;
        if dead {
            desk.kill_for_good().await;
        }
        desk.town.github.faults().down(true);
        let said = desk.run(&shop, &DESTROY).await.code(1);
        said.says(&["left: perhaps the webhook of acme/shop: "]);
        assert!(desk.apps().await.is_empty());
        desk.town.github.faults().down(false);
        desk.run(&shop, &DESTROY)
            .await
            .code(0)
            .says(&["the webhook"]);
        desk.nothing_but(&[], &[]).await;
        desk.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_the_answer_is_one_document() {
    let (desk, shop) = settled().await;
    let said = desk
        .run(&shop, &["destroy", "-yes", "--json"])
        .await
        .code(0);
    let answer: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&answer["app"], &answer["left"]),
        (&json!("shop"), &json!([]))
    );
    assert!(answer["done"].as_array().unwrap().len() >= 2, "{answer}");
    assert!(!said.text().contains(PAT));
    desk.end().await;
}

/// What happens to a request on the way to the observer.
#[derive(Clone, Copy)]
enum Way {
    /// It is seen to come from elsewhere.
    Forwarded,
    /// The connection breaks while this is answered.
    Broken(fn(&Method, &str) -> bool),
}

/// Whoever stands in between, until it is dropped: its port is given out again.
type Between = AbortOnDropHandle<std::io::Result<()>>;

/// The observer as it is reached from afar: under another name of this machine, through somebody in between.
async fn from_afar(desk: &Desk, shop: &Workspace, way: Option<Way>) -> Option<Between> {
    shop.describe("public_node", "public_node: 127.0.0.2");
    let hosts = desk.confirmed("127.0.0.1") + &desk.confirmed("127.0.0.2");
    std::fs::write(desk.home.join("config/dploy/hosts"), hosts).unwrap();
    let way = way?;
    let (_, url) = desk.healthy("").await;
    let between = url.replace("http://127.0.0.1", "127.0.0.2");
    let listener = tokio::net::TcpListener::bind(between).await.unwrap();
    let http = desk.town.http.clone();
    let app = axum::Router::new().fallback(move |request: Request| {
        let (http, url) = (http.clone(), url.clone());
        async move { handed_on(&http, &url, request, way).await }
    });
    let serving = async move { axum::serve(listener, app).await };
    Some(AbortOnDropHandle::new(tokio::spawn(serving)))
}

async fn handed_on(
    http: &reqwest::Client,
    url: &str,
    request: Request,
    way: Way,
) -> Response<Body> {
    let path = request.uri().to_string();
    let mut on = http.request(request.method().clone(), format!("{url}{path}"));
    on = on.headers(request.headers().clone());
    match way {
        Way::Forwarded => on = on.header("x-forwarded-for", "192.0.2.1"),
        Way::Broken(breaks) if breaks(request.method(), &path) => {
            let broken = async { Err::<Vec<u8>, _>(std::io::Error::other("cut")) };
            return Response::new(Body::from_stream(futures_util::stream::once(broken)));
        }
        Way::Broken(_) => {}
    }
    let Ok(answer) = on.send().await else {
        let mut gone = Response::new(Body::empty());
        *gone.status_mut() = axum::http::StatusCode::BAD_GATEWAY;
        return gone;
    };
    let mut back = Response::builder().status(answer.status());
    *back.headers_mut().unwrap() = answer.headers().clone();
    back.body(Body::from(answer.bytes().await.unwrap_or_default()))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_takes_no_token_on_plain_http_is_done_without() {
    let (desk, shop) = settled().await;
    let _between = from_afar(&desk, &shop, Some(Way::Forwarded)).await;
    let said = desk.run(&shop, &DESTROY).await.code(0);
    said.says(&["Doing it without the observer: this is plain HTTP"]);
    desk.nothing_but(&[], &[]).await;
    desk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_is_out_of_reach_or_falls_silent_in_the_middle_is_done_without() {
    let deletes: fn(&Method, &str) -> bool = |method, _| *method == Method::DELETE;
    let pages: fn(&Method, &str) -> bool = |_, path| path.starts_with("/apps/");
    let list: fn(&Method, &str) -> bool = |_, path| path.starts_with("/apps.json");
    for breaks in [None, Some(deletes), Some(pages), Some(list)] {
        let (desk, shop) = settled().await;
        let _between = from_afar(&desk, &shop, breaks.map(Way::Broken)).await;
        let said = desk.run(&shop, &DESTROY).await.code(0);
        said.says(&["Doing it without the observer: ", "nothing of it is left"]);
        desk.nothing_but(&[], &[]).await;
        desk.end().await;
    }
}
