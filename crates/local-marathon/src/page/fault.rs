//! The faults with a button for each.

use askama::Template;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::fault::{FaultChange, FaultState, Faults};
use local_kit::page::respond;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>faults · local Marathon</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{{ local_kit::page::STYLE|safe }}</style></head><body>
<nav><a href="/ui/">all apps</a></nav>
<h1>Faults <small>of the Marathon on this machine</small></h1>
{% for row in rows %}<div class="row"><div>{{ row.what }}: {% if row.on.is_empty() %}<span class="dim">off</span>{% else %}<strong class="on">{{ row.on }}</strong>{% endif %}</div>
<div>{% for button in row.buttons %}<form method="post" action="/local/faults"><input type="hidden" name="change" value="{{ button.1 }}"><button>{{ button.0 }}</button></form>{% endfor %}</div></div>
{% endfor %}
<div class="row"><div>All of it</div><div><form method="post" action="/local/faults"><input type="hidden" name="change" value='{"reset":true}'><button>all is well again</button></form></div></div>
<p class="dim">Programs do the same with <code>POST /local/faults</code> and a JSON body, such as <code>{"down": true}</code>; <code>GET</code> shows what is set.</p>
</body></html>
"#
)]
struct FaultPage {
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    /// Empty where it is off.
    on: String,
    /// Label and change.
    buttons: Vec<(&'static str, &'static str)>,
}

/// A row with a switch.
fn switch(what: &'static str, on: bool, changes: [&'static str; 2]) -> Row {
    let on_off = if on {
        ("switch off", changes[1])
    } else {
        ("switch on", changes[0])
    };
    Row {
        what,
        on: if on { "on".to_owned() } else { String::new() },
        buttons: vec![on_off],
    }
}

/// A row that counts down.
fn count(what: &'static str, left: u32, changes: [&'static str; 2]) -> Row {
    Row {
        what,
        on: if left > 0 {
            format!("{left} to come")
        } else {
            String::new()
        },
        buttons: vec![("the next", changes[0]), ("none", changes[1])],
    }
}

/// `GET /local/faults` of a browser.
pub fn show(state: &FaultState) -> Response {
    let slow = if state.slow_ms > 0 {
        format!("{} ms", state.slow_ms)
    } else {
        String::new()
    };
    let refused = state.refuse.as_ref();
    let refused = refused.map(|r| format!("{} to come: {} {}", r.times, r.status, r.message));
    let rows = vec![
        switch(
            "Marathon is down, every connection is cut",
            state.down,
            [r#"{"down":true}"#, r#"{"down":false}"#],
        ),
        Row {
            what: "Answers come late",
            on: slow,
            buttons: vec![
                ("500 ms", r#"{"slow_ms":500}"#),
                ("5 s", r#"{"slow_ms":5000}"#),
                ("at once", r#"{"slow_ms":0}"#),
            ],
        },
        count(
            "Changes are made, but the answer gets lost",
            state.lose_replies,
            [r#"{"lose_replies":1}"#, r#"{"lose_replies":0}"#],
        ),
        Row {
            what: "Changes are refused",
            on: refused.unwrap_or_default(),
            buttons: vec![
                (
                    "the next with 422",
                    r#"{"refuse":{"status":422,"message":"refused on demand","times":1}}"#,
                ),
                (
                    "the next with 503",
                    r#"{"refuse":{"status":503,"message":"refused on demand","times":1}}"#,
                ),
                (
                    "none",
                    r#"{"refuse":{"status":422,"message":"","times":0}}"#,
                ),
            ],
        },
        switch(
            "Every app is locked by somebody else's deployment",
            state.locked,
            [r#"{"locked":true}"#, r#"{"locked":false}"#],
        ),
        switch(
            "Agents make no offers, nothing new starts",
            state.no_offers,
            [r#"{"no_offers":true}"#, r#"{"no_offers":false}"#],
        ),
        count(
            "Tasks crash as soon as they run",
            state.crash,
            [r#"{"crash":1}"#, r#"{"crash":0}"#],
        ),
    ];
    respond(FaultPage { rows }.render().map_err(anyhow::Error::from))
}

/// `POST /local/faults` of a browser: the form has the JSON in its field `change`.
pub fn change(faults: &Faults, body: &Bytes) -> Response {
    // a form is written like a query
    let form = format!("http://localhost/?{}", String::from_utf8_lossy(body));
    let form = reqwest::Url::parse(&form).ok();
    let mut fields = form.iter().flat_map(reqwest::Url::query_pairs);
    let field = fields.find(|(key, _)| key == "change");
    let change = field.map(|(_, value)| serde_json::from_str::<FaultChange>(&value));
    match change {
        Some(Ok(change)) => {
            faults.apply(change);
            (StatusCode::SEE_OTHER, [(header::LOCATION, "/local/faults")]).into_response()
        }
        Some(Err(error)) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        None => (StatusCode::BAD_REQUEST, "the form has no field 'change'\n").into_response(),
    }
}
