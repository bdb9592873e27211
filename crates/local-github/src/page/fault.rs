//! What goes wrong, and buttons that switch it: the page of `/local/faults` in a browser.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use local_kit::fault::{self, FaultPage, Number, Row, late, to_come};

use crate::fault::{Active, Order};
use crate::server::Server;

/// `GET /local/faults`: a page for browsers, JSON for programs.
pub async fn show_faults(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    fault::show(&headers, server.faults.active(), |active| FaultPage {
        server: "local GitHub",
        home: ("/", "GitHub on this machine"),
        whose: "what goes wrong at this GitHub",
        rows: rows(active),
        after: "held deliveries go out",
        example: format!(
            "curl {}/local/faults --json '{{\"deliveries\": {{\"lose\": 1}}}}'",
            server.url
        ),
    })
}

/// `POST /local/faults` with the JSON that [`crate::fault`] lists, or with a form of the page.
pub async fn set_faults(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let apply = |order: Order| {
        server.faults.apply(&order);
        server.faults.active()
    };
    let set = body
        .map_err(|_| "the body is too large".to_owned())
        .and_then(|body| fault::change(&headers, &body, apply));
    set.unwrap_or_else(|why| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        (status, format!("not a fault: {why}\n")).into_response()
    })
}

fn rows(active: &Active) -> Vec<Row> {
    let mut all = of_the_api(active);
    all.extend(of_deliveries(active));
    all
}

fn of_the_api(active: &Active) -> Vec<Row> {
    let slow = "each REST call answers that much later";
    vec![
        Row::switch(
            "Down",
            "REST calls answer 503; git and deliveries go on",
            "down",
            active.down,
        ),
        Row::new("Slow", slow, late(active.slow_ms)).numbers(&[ms("slow_ms", 500)]),
        Row::switch(
            "Rate limit used up",
            "REST calls answer 403, with the time when it ends",
            "rate_limited",
            active.rate_limited,
        ),
        Row::switch(
            "Secondary rate limit",
            "REST calls answer 403 with retry-after",
            "secondary_limited",
            active.secondary_limited,
        ),
        count(
            "Reads lag",
            "the next reads of a head that just moved answer the old one",
            times("lag", 2),
            active.lag,
        ),
    ]
}

fn of_deliveries(active: &Active) -> Vec<Row> {
    let delayed = to_come(active.times).map(|words| format!("{words}, {} ms", active.delay_ms));
    let later = "the next ones come later, and may be overtaken";
    vec![
        count(
            "Deliveries are lost",
            "the next ones are neither attempted nor recorded",
            times("deliveries.lose", 1),
            active.lose,
        ),
        Row::new("Deliveries are delayed", later, delayed).numbers(&[
            times("deliveries.times", 1),
            ms("deliveries.delay_ms", 5000),
        ]),
        count(
            "Deliveries come twice",
            "the next ones are sent a second time",
            times("deliveries.double", 1),
            active.double,
        ),
        count(
            "Deliveries change places",
            "the next ones wait until all are there, then the last one goes first",
            times("deliveries.reorder", 3),
            active.reorder,
        ),
        count(
            "Deliveries are forged",
            "the next ones carry a wrong signature",
            times("deliveries.forge", 1),
            active.forge,
        ),
    ]
}

/// A fault that is used up.
fn count(title: &'static str, effect: &'static str, number: Number, left: u32) -> Row {
    Row::new(title, effect, to_come(left)).numbers(&[number])
}

fn times(name: &'static str, value: u64) -> Number {
    Number {
        name,
        value,
        unit: "times",
    }
}

fn ms(name: &'static str, value: u64) -> Number {
    Number {
        name,
        value,
        unit: "ms",
    }
}
