//! What goes wrong, and buttons that switch it: the page of `/local/faults` in a browser.

use std::sync::Arc;

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Form, FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Json, RequestExt as _};
use serde::Deserialize;

use super::is_browser;
use crate::fault::{Active, DeliveryOrder, Order};
use crate::hub::Hub;
use local_kit::page::respond;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Faults · local GitHub</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{{ local_kit::page::STYLE|safe }}</style></head><body>
<p><a href="/">GitHub on this machine</a></p>
<h1>Faults <small>what goes wrong at this GitHub</small></h1>
<table class="stack">{% for fault in faults %}<tr><td>{% if fault.now.is_some() %}<strong class="bad">{{ fault.title }}</strong>{% else %}{{ fault.title }}{% endif %}<br><span class="dim">{{ fault.effect }}</span></td>
<td>{% if let Some(now) = fault.now %}<span class="bad">{{ now }}</span>{% else %}<span class="dim">off</span>{% endif %}</td>
<td>{% if fault.now.is_none() || fault.is_number() %}<form method="post">{% for field in fault.fields %}{% if field.unit.is_empty() %}<input type="hidden" name="{{ field.name }}" value="true">{% else %}<label><input type="number" name="{{ field.name }}" min="1" max="1000000" required value="{{ field.value }}"> {{ field.unit }}</label> {% endif %}{% endfor %}<button>{% if fault.now.is_some() %}set{% else %}switch on{% endif %}</button></form>{% endif %}
{% if fault.now.is_some() %}<form method="post">{% for field in fault.fields %}<input type="hidden" name="{{ field.name }}" value="{% if field.unit.is_empty() %}false{% else %}0{% endif %}">{% endfor %}<button>off</button></form>{% endif %}</td></tr>
{% endfor %}</table>
<p></p><form method="post"><input type="hidden" name="reset" value="true"><button>All is well again</button> <span class="dim">held deliveries go out</span></form>
<p class="dim">Programs post JSON here: <code>curl {{ url }}/local/faults --json '{"deliveries": {"lose": 1}}'</code></p>
</body></html>
"#
)]
struct FaultPage {
    url: String,
    faults: Vec<Shown>,
}

/// One fault, as it stands.
struct Shown {
    title: &'static str,
    effect: &'static str,
    /// How it stands, where it is on.
    now: Option<String>,
    fields: Vec<Field>,
}

/// What is sent to switch it on.
struct Field {
    name: &'static str,
    value: u64,
    /// Of a number; empty where there is only on and off.
    unit: &'static str,
}

/// `GET /local/faults`: a page for browsers, JSON for programs.
pub async fn show_faults(State(hub): State<Arc<Hub>>, headers: HeaderMap) -> Response {
    let active = hub.faults.active();
    if !is_browser(&headers) {
        return Json(active).into_response();
    }
    let page = FaultPage {
        url: hub.url.clone(),
        faults: shown(&active),
    };
    respond(page.render().map_err(anyhow::Error::from))
}

/// `POST /local/faults` with the JSON that [`crate::fault`] lists, or with a form of the page.
pub async fn set_faults(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let form = request.headers().get(header::CONTENT_TYPE);
    if form.is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form")) {
        return match request.extract::<Form<Switch>, _>().await {
            Ok(Form(switch)) => {
                hub.faults.apply(&switch.into());
                Redirect::to("/local/faults").into_response()
            }
            Err(error) => unfit(&error.body_text()),
        };
    }
    let Ok(body) = Bytes::from_request(request, &()).await else {
        return unfit("the body is too large");
    };
    match serde_json::from_slice::<Order>(&body) {
        Ok(order) => {
            hub.faults.apply(&order);
            Json(hub.faults.active()).into_response()
        }
        Err(error) => unfit(&error.to_string()),
    }
}

fn unfit(error: &str) -> Response {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    (status, format!("not a fault: {error}\n")).into_response()
}

/// An [`Order`] as a form can say it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switch {
    down: Option<bool>,
    slow_ms: Option<u64>,
    rate_limited: Option<bool>,
    secondary_limited: Option<bool>,
    lose: Option<u32>,
    delay_ms: Option<u64>,
    times: Option<u32>,
    double: Option<u32>,
    reorder: Option<u32>,
    forge: Option<u32>,
    lag: Option<u32>,
    reset: Option<bool>,
}

impl From<Switch> for Order {
    fn from(switch: Switch) -> Self {
        Self {
            down: switch.down,
            slow_ms: switch.slow_ms,
            rate_limited: switch.rate_limited,
            secondary_limited: switch.secondary_limited,
            deliveries: Some(DeliveryOrder {
                lose: switch.lose,
                delay_ms: switch.delay_ms,
                times: switch.times,
                double: switch.double,
                reorder: switch.reorder,
                forge: switch.forge,
            }),
            lag: switch.lag,
            reset: switch.reset,
        }
    }
}

impl Shown {
    fn is_number(&self) -> bool {
        self.fields.iter().any(|field| !field.unit.is_empty())
    }

    /// A fault that is on or off.
    fn switch(title: &'static str, effect: &'static str, name: &'static str, on: bool) -> Self {
        Self {
            title,
            effect,
            now: on.then(|| "on".to_owned()),
            fields: vec![Field {
                name,
                value: 0,
                unit: "",
            }],
        }
    }

    /// A fault that is used up.
    fn count(
        title: &'static str,
        effect: &'static str,
        (name, proposed): (&'static str, u64),
        left: u32,
    ) -> Self {
        Self {
            title,
            effect,
            now: (left > 0).then(|| format!("{left} to come")),
            fields: vec![Field {
                name,
                value: proposed,
                unit: "times",
            }],
        }
    }

    /// A fault that takes time.
    fn with_ms(mut self, name: &'static str, value: u64, now: u64) -> Self {
        self.now = self.now.map(|words| format!("{words}, {now} ms"));
        self.fields.push(Field {
            name,
            value,
            unit: "ms",
        });
        self
    }
}

fn shown(active: &Active) -> Vec<Shown> {
    let mut all = of_the_api(active);
    all.extend(of_deliveries(active));
    all
}

fn of_the_api(active: &Active) -> Vec<Shown> {
    vec![
        Shown::switch(
            "Down",
            "REST calls answer 503; git and deliveries go on",
            "down",
            active.down,
        ),
        Shown {
            title: "Slow",
            effect: "each REST call answers that much later",
            now: (active.slow_ms > 0).then(|| format!("{} ms", active.slow_ms)),
            fields: vec![Field {
                name: "slow_ms",
                value: 500,
                unit: "ms",
            }],
        },
        Shown::switch(
            "Rate limit used up",
            "REST calls answer 403, with the time when it ends",
            "rate_limited",
            active.rate_limited,
        ),
        Shown::switch(
            "Secondary rate limit",
            "REST calls answer 403 with retry-after",
            "secondary_limited",
            active.secondary_limited,
        ),
        Shown::count(
            "Reads lag",
            "the next reads of a head that just moved answer the old one",
            ("lag", 2),
            active.lag,
        ),
    ]
}

fn of_deliveries(active: &Active) -> Vec<Shown> {
    let delay = Shown::count(
        "Deliveries are delayed",
        "the next ones come later, and may be overtaken",
        ("times", 1),
        active.times,
    );
    vec![
        Shown::count(
            "Deliveries are lost",
            "the next ones are neither attempted nor recorded",
            ("lose", 1),
            active.lose,
        ),
        delay.with_ms("delay_ms", 5000, active.delay_ms),
        Shown::count(
            "Deliveries come twice",
            "the next ones are sent a second time",
            ("double", 1),
            active.double,
        ),
        Shown::count(
            "Deliveries change places",
            "the next ones wait until all are there, then the last one goes first",
            ("reorder", 3),
            active.reorder,
        ),
        Shown::count(
            "Deliveries are forged",
            "the next ones carry a wrong signature",
            ("forge", 1),
            active.forge,
        ),
    ]
}
