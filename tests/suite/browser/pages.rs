//! Each page for everybody: by keyboard, without scripts, on a phone, for who sees little, in either theme.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use test_kit::browser::Browser;
use test_kit::wait::until;

use super::{is_content, log_in};
use crate::support::town::{Town, service};

const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// A shop with two deploys that worked.
async fn shop() -> Town {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    town.ended(2).await;
    town
}

/// Waits until the shop is pinned by this rollback.
async fn is_back(town: &Town, reason: &str) {
    until("it is rolled back", async || {
        let app = town.app().await;
        if app["pin"]["reason"] == reason {
            Ok(())
        } else {
            Err(app["pin"].to_string())
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_keyboard_alone() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = shop().await;
    log_in(&browser, &town, "/").await;
    // find the app, open it, go to its first deploy, back to it
    browser.press("/").await;
    browser.press("shop").await;
    browser.press(ENTER).await;
    browser.until("location.search === '?q=shop'").await;
    browser.press("j").await;
    browser.press(ENTER).await;
    browser.until("location.pathname === '/apps/shop'").await;
    browser.press("r").await;
    browser
        .until("location.pathname === '/apps/shop/rollback'")
        .await;
    for _ in 0..40 {
        let focus = browser.js("return document.activeElement.name").await;
        if focus == "reason" {
            break;
        }
        browser.press(TAB).await;
    }
    browser.press("by hand").await;
    browser.press(ENTER).await;
    is_back(&town, "by hand").await;
    browser
        .until("location.pathname === '/apps/shop/deploys/3'")
        .await;
    browser.press("?").await;
    browser.until("document.getElementById('keys').open").await;
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_on_a_phone_and_without_scripts() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = shop().await;
    log_in(&browser, &town, "/").await;
    browser.resize(400, 800).await;
    let off = json!({"value": true});
    browser
        .cdp("Emulation.setScriptExecutionDisabled", &off)
        .await;
    browser.open(&format!("{}/apps/shop", town.url())).await;
    browser.click("#deploy-1 a[href*='/rollback']").await;
    browser
        .type_into("input[name=reason]", "from the train")
        .await;
    browser.click("main form button").await;
    is_back(&town, "from the train").await;
    let wide = browser
        .cdp(
            "Runtime.evaluate",
            &json!({"expression": "document.documentElement.scrollWidth > innerWidth"}),
        )
        .await;
    assert_eq!(
        wide["result"]["value"], false,
        "nothing is wider than the phone"
    );
    browser.end().await;
    town.end().await;
}

/// axe-core, fetched into `target`.
fn axe() -> String {
    const VERSION: &str = "axe-core@4.10.3";
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../axe");
    let file = target.join("node_modules/axe-core/axe.min.js");
    if !Path::exists(&file) {
        std::fs::create_dir_all(&target).unwrap();
        let mut npm = Command::new("npm");
        npm.args([
            "install",
            "--no-save",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ]);
        let fetched = npm
            .arg(&target)
            .arg(VERSION)
            .output()
            .expect("npm is there");
        assert!(
            fetched.status.success(),
            "{}",
            String::from_utf8_lossy(&fetched.stderr)
        );
    }
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_keeps_anybody_out_in_either_theme() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = shop().await;
    let commit = town.git(&["rev-parse", "HEAD"]);
    let mut broken = service("/shop/web", 3, "");
    broken["cmd"] = json!("echo no database >&2; exit 3");
    town.spec("web", &broken);
    town.push("broken");
    town.ended(3).await;
    log_in(&browser, &town, "/").await;
    let axe = axe();
    for theme in ["light", "dark"] {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        browser.cdp("Emulation.setEmulatedMedia", &media).await;
        for page in [
            "/",
            "/?q=nothing",
            "/docs",
            "/apps/shop",
            "/apps/shop?q=broken",
            "/apps/shop/deploys/2",
            "/apps/shop/deploys/3",
            "/apps/shop/rollback?deploy=1",
            "/apps/shop/redeploy",
            "/apps/shop/destroy",
            "/apps/shop/logs",
            "/apps/shop/hook",
            "/events",
            &format!("/why/{commit}"),
            "/tokens",
            "/sessions",
            "/login",
            "/apps/none",
        ] {
            browser.open(&format!("{}{page}", town.url())).await;
            browser.js(&axe).await;
            let found = browser
                .js("return axe.run().then((all) => all.passes.length < 5 ? ['nothing was looked at'] : all.violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`))")
                .await;
            assert_eq!(found, json!([]), "{page} in {theme}");
        }
    }
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_chose_a_theme_keeps_it_and_prints_on_white() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.cdp("Emulation.setEmulatedMedia", &dark).await;
    let page = format!("{}/apps/shop", town.url());
    browser.open(&page).await;
    let colour = "return getComputedStyle(document.body).backgroundColor";
    let night = browser.js(colour).await;
    browser.click("#theme").await;
    browser
        .until("document.getElementById('theme').textContent === 'Theme: light'")
        .await;
    let day = browser.js(colour).await;
    assert_ne!(day, night);
    browser.open(&page).await;
    assert_eq!(browser.js(colour).await, day);
    let paper =
        json!({"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    for _ in 0..2 {
        // dark, and then as the system says
        browser.click("#theme").await;
    }
    assert_eq!(browser.js(colour).await, night);
    browser.cdp("Emulation.setEmulatedMedia", &paper).await;
    assert_eq!(browser.js(colour).await, json!("rgb(255, 255, 255)"));
    let acts = "return [...document.querySelectorAll('form, .acts, nav a')].filter((e) => e.checkVisibility()).length";
    assert_eq!(browser.js(acts).await, json!(0));
    let whole = "return [...document.querySelectorAll('.sha')].every((e) => e.scrollWidth <= e.clientWidth + 1)";
    assert_eq!(browser.js(whole).await, json!(true));
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}
