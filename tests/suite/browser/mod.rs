//! The pages in a real Chromium, as people use them.

mod live;
mod pages;
mod pictures;

use serde_json::json;
use test_kit::browser::Browser;

use crate::support::town::{TOKEN, Town};

/// Logs in by the page.
async fn log_in(browser: &Browser, town: &Town, next: &str) {
    browser
        .open(&format!("{}/login?next={next}", town.url()))
        .await;
    browser.type_into("input[name=token]", TOKEN).await;
    browser.click("main form button").await;
    browser.until("document.querySelector('.me form')").await;
}

/// Opens a page and waits until it follows.
async fn opened(browser: &Browser, town: &Town, path: &str) {
    browser.open(&format!("{}{path}", town.url())).await;
    browser
        .until("document.getElementById('live').textContent === 'live'")
        .await;
}

/// Nothing was asked of another host, nothing violated the policy, no script failed.
async fn is_content(browser: &Browser, allowed: &[&str]) {
    let mut complaints = browser.complaints().await;
    complaints.retain(|c| !allowed.iter().any(|a| c.contains(a)));
    assert!(complaints.is_empty(), "{complaints:#?}");
    let hosts = "return performance.getEntriesByType('resource').map((r) => new URL(r.name).host).filter((h) => h !== location.host)";
    assert_eq!(browser.js(hosts).await, json!([]));
}
