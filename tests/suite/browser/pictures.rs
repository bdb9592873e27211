//! Pictures of the pages, to be looked at: `cargo test --test suite pictures -- --ignored` leaves them in `target/pictures`.

use std::path::PathBuf;

use serde_json::{Value, json};
use test_kit::browser::Browser;

use super::log_in;
use crate::support::fleet;
use crate::support::town::{Town, quick, service};

/// As many apps as an observer is made for.
const MANY: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes pictures of the pages into target/pictures to be looked at"]
async fn pictures_of_the_pages_are_written_to_look_at() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut api = service("/shop/api", 1, "");
    api["instances"] = json!(2);
    let specs = [("web", service("/shop/web", 1, "")), ("api", api)];
    let town = Town::with_settings(&specs, &["--deadline=600"]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/").await;
    let pictures = async |names: &[(&str, &str)]| taken(&browser, &town, names).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("web: a new front page");
    town.ended(2).await;
    pictures(&[
        ("overview", "/"),
        ("app", "/apps/shop"),
        ("plan", "/apps/shop/rollback?deploy=1"),
    ])
    .await;
    let mut large = service("/shop/web", 3, "");
    (large["cpus"], large["instances"]) = (json!(64), json!(3));
    town.spec("web", &large);
    town.push("web: a larger one");
    let waits = |deploy: &Value| deploy["services"].to_string().contains("waiting");
    town.deploy_until(3, "it waits", waits).await;
    pictures(&[
        ("overview-busy", "/"),
        ("app-busy", "/apps/shop"),
        ("deploy-busy", "/apps/shop/deploys/3"),
    ])
    .await;
    let mut broken = service("/shop/web", 3, "");
    broken["cmd"] = json!(
        "echo 'listening for the database' >&2; echo 'Traceback: no database at 10.0.0.7' >&2; exit 3"
    );
    town.spec("web", &broken);
    town.push("web: cache in the database");
    town.ended(4).await;
    pictures(&[
        ("overview-failed", "/"),
        ("app-failed", "/apps/shop"),
        ("deploy-failed", "/apps/shop/deploys/4"),
        ("log", "/apps/shop/logs?service=/shop/web"),
        ("events", "/events"),
        ("hook", "/apps/shop/hook"),
        ("api", "/docs"),
        ("tokens", "/tokens"),
        ("login", "/login"),
        ("problem", "/apps/none"),
    ])
    .await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes pictures of a thousand apps, and of none, into target/pictures to be looked at"]
async fn pictures_of_many_apps_and_of_none_are_written_to_look_at() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut none = Town::unobserved(&[], &["--repo=", "--owner="], quick()).await;
    none.start().await;
    taken(
        &browser,
        &none,
        &[("overview-empty", "/"), ("events-empty", "/events")],
    )
    .await;
    none.end().await;
    let flags = ["--repo=", "--owner=", "--poll=3600", "--deadline=3600"];
    let mut town = Town::unobserved(&[], &flags, quick()).await;
    let (status, said) = town
        .marathon_send("PUT", "/v2/groups", &fleet::group(MANY))
        .await;
    assert!(status < 300, "{said}");
    fleet::settle(&town.dir.path().join("data"), MANY).await;
    town.start().await;
    log_in(&browser, &town, "/").await;
    let pages = [
        ("overview-many", "/"),
        ("overview-many-attention", "/?show=attention"),
        ("events-many", "/events"),
    ];
    taken(&browser, &town, &pages).await;
    browser.end().await;
    town.end().await;
}

/// Pictures of these pages, in either theme, wide and on a phone.
async fn taken(browser: &Browser, town: &Town, names: &[(&str, &str)]) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../pictures");
    std::fs::create_dir_all(&folder).unwrap();
    for theme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        browser.cdp("Emulation.setEmulatedMedia", &media).await;
        for (size, width) in [("wide", 1280), ("phone", 420)] {
            browser.resize(width, 900).await;
            for (name, path) in names {
                browser.open(&format!("{}{path}", town.url())).await;
                let lives = "!document.body.dataset.live || document.getElementById('live').textContent === 'live'";
                browser.until(lives).await;
                let file = folder.join(format!("{name}-{size}-{theme}.png"));
                browser.screenshot(&file).await;
            }
        }
    }
}
