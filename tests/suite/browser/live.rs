//! A page that is open shows what happens, and leaves alone what the reader does.

use serde_json::json;
use test_kit::browser::Browser;

use super::{is_content, log_in, opened};
use crate::support::town::{Town, service};

const STAGES: &str =
    "[...document.querySelectorAll('.services .status')].map((s) => s.textContent)";

#[tokio::test(flavor = "multi_thread")]
async fn a_push_goes_live_while_the_page_is_open_and_what_the_reader_does_stays() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/apps/shop").await;
    opened(&browser, &town, "/apps/shop").await;
    // somebody writes the reason of a lock while a push comes; the page is never loaded anew
    browser.js("window.loaded = 'once'; document.querySelector('.history tbody tr').dataset.mine = 'first'").await;
    browser.click(".act summary").await;
    browser.type_into("#lock-reason", "audit un").await;
    town.spec("web", &service("/shop/web", 2, "--listen-after 0.4"));
    town.push("second");
    browser
        .until("document.querySelector('h1 + .status').textContent === 'Deploying'")
        .await;
    browser
        .until("document.querySelector('.history').innerText.includes('#2')")
        .await;
    town.ended(2).await;
    browser.until("document.querySelector('h1 + .status').textContent === 'Ok' && document.querySelector('.history tr.live').innerText.includes('#2')").await;
    browser.press("til noon").await;
    let kept = browser
        .js("return [window.loaded, document.getElementById('lock-reason').value, document.activeElement.id, document.querySelector('.act').open, document.title]")
        .await;
    assert_eq!(
        kept,
        json!([
            "once",
            "audit until noon",
            "lock-reason",
            true,
            "shop: ok · observer"
        ])
    );
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_page_shows_each_stage_and_says_the_outcome_once() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    town.marathon_send("POST", "/local/faults", &json!({"no_offers": true}))
        .await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    town.deploy_until(2, "it rolls", |d| d["state"] == "following")
        .await;
    opened(&browser, &town, "/apps/shop/deploys/2").await;
    browser.js("window.loaded = 'once'").await;
    browser
        .until("document.querySelector('.box.busy, .box.warn')")
        .await;
    town.marathon_send("POST", "/local/faults", &json!({"reset": true}))
        .await;
    browser
        .until("document.getElementById('told').textContent === 'shop #2 succeeded'")
        .await;
    let end = browser.js(&format!("return [window.loaded, {STAGES}, document.querySelector('link[rel=icon]').href.includes('icon-ok')]")).await;
    assert_eq!(end, json!(["once", ["healthy"], true]));
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tabs_do_not_stand_in_each_others_way_and_a_restart_is_lived_through() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut town = Town::with_settings(&[("web", service("/shop/web", 1, ""))], &[]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/").await;
    let url = town.url().to_owned();
    for _ in 0..10 {
        browser.new_tab().await;
        browser.open(&format!("{url}/apps/shop")).await;
    }
    // six connections are all that a browser opens to one server
    browser.click(".act summary").await;
    browser.type_into("#lock-reason", "many tabs").await;
    browser.click(".act form button").await;
    browser
        .until("document.querySelector('.box.warn').innerText.includes('many tabs')")
        .await;
    browser
        .until("document.getElementById('live').textContent === 'live'")
        .await;
    town.stop().await;
    browser
        .until("document.getElementById('live').textContent.startsWith('reconnecting')")
        .await;
    is_content(
        &browser,
        &[
            "ERR_CONNECTION_REFUSED",
            "ERR_INCOMPLETE_CHUNKED_ENCODING",
            "ERR_EMPTY_RESPONSE",
            "ERR_CONNECTION_RESET",
        ],
    )
    .await;
    town.start().await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_elsewhere_is_not_shown_what_is_for_operators_any_more() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/apps/shop").await;
    opened(&browser, &town, "/apps/shop").await;
    let forms = browser
        .js("return document.querySelectorAll('main form[method=post]').length")
        .await;
    assert!(forms.as_u64() > Some(0), "{forms}");
    browser.new_tab().await;
    browser.open(&format!("{}/", town.url())).await;
    browser.click(".me form button").await;
    browser.until("!document.querySelector('.me form')").await;
    browser.go_back_to_first().await;
    browser
        .until("document.querySelectorAll('main form[method=post]').length === 0")
        .await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_deploy_shows_what_its_task_wrote_and_the_log_page_follows() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/apps/shop").await;
    let mut broken = service("/shop/web", 2, "");
    broken["cmd"] = json!("echo no database >&2; exit 3");
    town.spec("web", &broken);
    town.push("broken");
    town.deploy_until(2, "it is there", |d| d["deploy"] == 2)
        .await;
    browser
        .open(&format!("{}/apps/shop/deploys/2", town.url()))
        .await;
    // the page was open before it failed
    browser
        .until("document.getElementById('words')?.innerText.includes('no database')")
        .await;
    browser
        .until("document.querySelector('.box.bad')?.innerText.includes('CRASHING')")
        .await;
    browser
        .open(&format!("{}/apps/shop/logs", town.url()))
        .await;
    browser.click("#follow").await;
    browser
        .until("document.getElementById('follow').textContent === 'Following'")
        .await;
    // each look at it is a line of its own
    let page = "return fetch('/apps/shop.json').then((a) => a.json()).then((a) => a.services[0].endpoints[0])";
    let endpoint = browser.js(page).await;
    let looked = format!("http://{}/", endpoint.as_str().unwrap());
    town.http.get(&looked).send().await.unwrap();
    browser
        .until("document.getElementById('log').innerText.includes('GET / 200')")
        .await;
    browser.type_into("#find-text", "listens").await;
    browser
        .until("document.getElementById('found').textContent.startsWith('1 of')")
        .await;
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_writes_ten_thousand_lines_a_second_does_not_freeze_its_page() {
    let Some(browser) = Browser::start().await else {
        return;
    };
    let mut loud = service("/shop/web", 1, "");
    let serve = loud["cmd"].as_str().unwrap().to_owned();
    let lines = "i=0; while :; do seq $i $((i+999)); i=$((i+1000)); sleep 0.1; done";
    loud["cmd"] = json!(format!("({lines}) & {serve}"));
    let town = Town::with(&[("web", loud)]).await;
    town.ended(1).await;
    log_in(&browser, &town, "/").await;
    browser
        .open(&format!(
            "{}/apps/shop/logs?service=/shop/web&stream=stdout",
            town.url()
        ))
        .await;
    browser.click("#follow").await;
    let last = "Number(document.querySelector('#log').lastElementChild.textContent)";
    let first = browser
        .js(&format!("return {last}"))
        .await
        .as_f64()
        .unwrap();
    // what is followed for seconds comes whole to its end, and the page keeps the newest of it
    browser.until(&format!("{last} > {first} + 50000")).await;
    let kept = browser
        .js("return document.querySelectorAll('#log div').length")
        .await;
    assert!(kept.as_u64().unwrap() <= 5000, "{kept}");
    // meanwhile somebody types
    browser.type_into("#find-text", "77").await;
    browser
        .until("document.getElementById('found').textContent.includes(' of ')")
        .await;
    let shown = "[...document.querySelectorAll('#log div')].filter((l) => !l.hidden)";
    let all =
        format!("return {shown}.every((l) => l.textContent.includes('77')) && {shown}.length > 0");
    browser.until(&format!("{shown}.length > 0")).await;
    assert_eq!(browser.js(&all).await, json!(true));
    is_content(&browser, &[]).await;
    browser.end().await;
    town.end().await;
}
