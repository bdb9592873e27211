//! `POST /dploy`: the webhook. The answer goes out after the commit to disk, and is text for the person who reads
//! GitHub's "Recent deliveries".

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Web;
use super::error::Failure;
use super::extract::SignedBody;
use crate::api::ProblemCode;
use crate::intake;

pub(super) async fn receive_push(
    State(web): State<Web>,
    signed: SignedBody,
) -> Result<Response, Failure> {
    let unreadable =
        |why: String| Failure::new(StatusCode::BAD_REQUEST, ProblemCode::Unreadable, why);
    let store = &web.context.store;
    if signed.event != "push" && signed.event != "ping" {
        return Ok(text(
            StatusCode::OK,
            format!(
                "Ignored: the event {}; only pushes are deployed.",
                crate::secret::plain(&signed.event, 50)
            ),
        ));
    }
    let json = intake::payload(&signed.body, signed.form).map_err(unreadable)?;
    if signed.event == "ping" {
        let sentence = intake::pinged(
            store,
            signed.repository,
            &signed.delivery,
            signed.hook,
            &json,
        )
        .await
        .map_err(unreadable)??;
        return Ok(text(StatusCode::OK, sentence));
    }
    let received = intake::receive(
        store,
        signed.repository,
        &signed.delivery,
        &json,
        &signed.body,
    )
    .await
    .map_err(unreadable)??;
    let followed = received.iter().any(|r| r.app.is_some());
    let branch = intake::branch(&json).filter(|_| !followed);
    let why = branch.and_then(|b| web.configured.pushed(signed.repository, &b));
    let meanwhile = why.map(|why| {
        format!("It is tried again now; until then the app cannot be registered: {why}.")
    });
    let queued = received.iter().any(|r| r.queued.is_some());
    let lines: Vec<String> = received
        .iter()
        .map(|r| match (&r.app, r.queued) {
            (Some(app), Some(number)) => format!(
                "{} {}/apps/{app}/deploys/{}",
                r.sentence, web.public_url, number.0
            ),
            _ => r.sentence.clone(),
        })
        .chain(meanwhile)
        .collect();
    let status = if queued {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok(text(status, lines.join("\n")))
}

fn text(status: StatusCode, line: String) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        line + "\n",
    )
        .into_response()
}
