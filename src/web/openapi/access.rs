//! The webhook, tokens and sessions.

use axum::http::StatusCode;
use serde_json::json;

use super::super::session::Credentials;
use super::super::session::OfToken;
use super::operation::{Book, Who};
use super::tags::{ACCESS, HOOK};
use crate::api::{HookBody, MadeTokenBody, NewTokenBody, ResultBody, SessionsBody, TokensBody};

pub(super) fn hook(book: &mut Book) {
    for path in ["/apps/{id}/hook", "/apps/{id}/hook.json"] {
        let show = book.on(
            "get",
            path,
            Who::Anyone,
            HOOK,
            "The webhook, and when the branch was last asked",
        );
        let show = show
            .answers::<HookBody>(StatusCode::OK, "the webhook")
            .only(StatusCode::NOT_MODIFIED, "as it was: `If-None-Match`");
        match path {
            "/apps/{id}/hook" => show.page().done(),
            _ => show.done(),
        }
    }
    let acts = [
        ("/apps/{id}/hook/register", "Register it"),
        ("/apps/{id}/hook/repair", "Make it what it should be"),
        ("/apps/{id}/hook/ping", "Let GitHub ping it"),
        ("/apps/{id}/hook/remove", "Remove it"),
    ];
    for (path, says) in acts {
        book.on("post", path, Who::Admin, HOOK, says)
            .answers::<HookBody>(StatusCode::OK, "the webhook")
            .only(StatusCode::SEE_OTHER, "to a form: its page")
            .done();
    }
    let types = ["application/json", "application/x-www-form-urlencoded"];
    let queued = "a deploy is queued; in words, for GitHub's \"Recent deliveries\"";
    book.on(
        "post",
        "/dploy",
        Who::GitHub,
        HOOK,
        "The webhook: answered after the commit to disk",
    )
    .header(
        "X-Hub-Signature-256",
        true,
        "`sha256=` and the HMAC of the body with the webhook's secret.",
    )
    .header(
        "X-GitHub-Event",
        true,
        "`push` or `ping`; others are ignored.",
    )
    .header(
        "X-GitHub-Delivery",
        true,
        "GitHub's id of the delivery; sent again, nothing is done twice.",
    )
    .body(&types, &json!({ "description": "as GitHub sends it" }))
    .says(StatusCode::ACCEPTED, queued, "text/plain")
    .says(
        StatusCode::OK,
        "a duplicate, ignored or held, with the reason",
        "text/plain",
    )
    .done();
}

pub(super) fn tokens(book: &mut Book) {
    for path in ["/tokens", "/tokens.json"] {
        let list = book.on(
            "get",
            path,
            Who::Admin,
            ACCESS,
            "The tokens, without themselves",
        );
        let list = list.answers::<TokensBody>(StatusCode::OK, "the tokens");
        match path {
            "/tokens" => list.page().done(),
            _ => list.done(),
        }
    }
    book.on("post", "/tokens", Who::Admin, ACCESS, "Make a token")
        .takes::<NewTokenBody>()
        .answers::<MadeTokenBody>(StatusCode::CREATED, "the token, shown this once")
        .page()
        .done();
    for (method, path) in [
        ("delete", "/tokens/{name}"),
        ("post", "/tokens/{name}/revoke"),
    ] {
        book.on(
            method,
            path,
            Who::Admin,
            ACCESS,
            "Revoke a token, with its sessions",
        )
        .answers::<ResultBody>(StatusCode::OK, "revoked")
        .only(StatusCode::SEE_OTHER, "to a form: the tokens")
        .done();
    }
}

pub(super) fn sessions(book: &mut Book) {
    for path in ["/sessions", "/sessions.json"] {
        let list = book.on(
            "get",
            path,
            Who::Known,
            ACCESS,
            "Sessions: one's own, or for whoever makes tokens all",
        );
        let list = list
            .query::<OfToken>()
            .answers::<SessionsBody>(StatusCode::OK, "the sessions");
        match path {
            "/sessions" => list.page().done(),
            _ => list.done(),
        }
    }
    let ends = [
        ("delete", "/sessions", "End them all"),
        ("post", "/sessions/end", "End them all"),
        ("delete", "/sessions/{id}", "End one"),
        ("post", "/sessions/{id}/end", "End one"),
    ];
    for (method, path, says) in ends {
        let end = book.on(method, path, Who::Known, ACCESS, says);
        let end = if path.contains("{id}") {
            end
        } else if method == "delete" {
            end.query::<OfToken>()
        } else {
            end.takes::<OfToken>()
        };
        end.answers::<ResultBody>(StatusCode::OK, "ended")
            .only(StatusCode::SEE_OTHER, "to a form: the sessions")
            .done();
    }
    book.on(
        "get",
        "/login",
        Who::Anyone,
        ACCESS,
        "The form with which a browser logs in",
    )
    .page()
    .done();
    book.on(
        "post",
        "/login",
        Who::Anyone,
        ACCESS,
        "Log in: a form with the token",
    )
    .takes::<Credentials>()
    .only(
        StatusCode::SEE_OTHER,
        "logged in, with the session's cookie",
    )
    .refused_by_page()
    .done();
    book.on(
        "post",
        "/logout",
        Who::Anyone,
        ACCESS,
        "End this browser's session",
    )
    .only(StatusCode::SEE_OTHER, "logged out")
    .done();
}
