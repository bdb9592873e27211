//! `/v2/events`: server-sent events as Marathon's Jetty sends them, CRLF and all.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{Method, header};
use axum::response::Response;
use serde_json::json;
use tokio::sync::{broadcast, mpsc, watch};

use super::Site;
use super::call::{self, Call};
use crate::marathon::Marathon;
use crate::world::event::Event;

/// Opens a stream, or says 405 where `Accept` is not exactly `text/event-stream`.
pub fn events(site: &Site, call: &Call) -> Response {
    let accept: Vec<&str> = call
        .headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    if call.method != Method::GET || accept != ["text/event-stream"] {
        let reason = format!("HTTP method {} is not supported by this URL", call.method);
        return call::error_page(call, 405, &reason, "/v2/events", &reason);
    }
    let wanted: Vec<String> = call.all("event_type").map(str::to_owned).collect();
    let marathon = Arc::clone(&site.marathon);
    let peer = call.peer.ip().to_string();
    let leadership = marathon.leadership();
    let receiver = marathon.with(|world| {
        let receiver = world.bus.subscribe();
        world.tell("event_stream_attached", json!({ "remoteAddress": peer }));
        receiver
    });
    let (sender, body) = mpsc::channel::<Result<Bytes, Infallible>>(16);
    tokio::spawn(async move {
        feed(&marathon, receiver, leadership, &wanted, &sender).await;
        marathon
            .with(|world| world.tell("event_stream_detached", json!({ "remoteAddress": peer })));
    });
    let frames =
        futures_util::stream::unfold(
            body,
            |mut body| async move { Some((body.recv().await?, body)) },
        );
    let mut response = call::text(200, "text/event-stream;charset=utf-8", String::new());
    response.headers_mut().insert(
        header::CONNECTION,
        header::HeaderValue::from_static("close"),
    );
    *response.body_mut() = Body::from_stream(frames);
    response
}

async fn feed(
    marathon: &Marathon,
    mut events: broadcast::Receiver<Arc<Event>>,
    mut leadership: watch::Receiver<u64>,
    wanted: &[String],
    out: &mpsc::Sender<Result<Bytes, Infallible>>,
) {
    let period = marathon.options.pace.heartbeat;
    let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    loop {
        let frame = tokio::select! {
            // what the next leader does is told to nobody who listened to this one
            biased;
            () = marathon.stopping.cancelled() => return,
            () = marathon.faults.wait_cut() => return,
            () = out.closed() => return,
            _ = leadership.changed() => return,
            _ = heartbeat.tick() => "\r\n".to_owned(),
            event = events.recv() => match event {
                Ok(event) if wanted.is_empty() || wanted.iter().any(|w| w == event.kind) => {
                    format!("event: {}\r\ndata: {}\r\n\r\n", event.kind, event.data)
                }
                Ok(_) => continue,
                // a reader that cannot follow is let go, as by Marathon
                Err(_) => return,
            },
        };
        if out.send(Ok(Bytes::from(frame))).await.is_err() {
            return;
        }
    }
}
