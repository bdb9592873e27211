//! An operator who acts on an app: how the command goes to the log, and how the answer goes back to a form or a program.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::Web;
use super::error::Failure;
use super::negotiate::json as json_answer;
use crate::access::Person;
use crate::api::QueuedBody;
use crate::history::{Answer, App, Command, Refusal};

/// An action on one app, with everything that all of them need.
pub(super) struct Acting<'a> {
    pub web: &'a Web,
    pub app: App,
    pub actor: String,
    pub form: bool,
    pub key: Option<String>,
}

/// An answer that the log does not keep.
fn word(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::Done => Some("done"),
        Answer::Unchanged => Some("unchanged"),
        Answer::Queued(_) | Answer::Duplicate | Answer::Held(_) => None,
    }
}

fn remembered(word: &str) -> Answer {
    match word {
        "done" => Answer::Done,
        _ => Answer::Unchanged,
    }
}

impl<'a> Acting<'a> {
    /// An action without a key, whose answer somebody else writes.
    pub fn by(web: &'a Web, app: App, person: &Person) -> Self {
        Self {
            web,
            app,
            actor: person.actor(),
            form: false,
            key: None,
        }
    }
}

impl Acting<'_> {
    /// Hands it to the log. A key that came before is answered as it was then: what began a deploy is known to the log, what did
    /// not is remembered beside it.
    pub async fn command(&self, command: Command) -> Result<Answer, Failure> {
        let store = &self.web.context.store;
        let key = self.key.as_deref().and_then(|key| key.split_once('#'));
        if let Some((name, body)) = key {
            let known = store.observed(&self.app.id, name).await?;
            let known = known.as_ref().and_then(|(value, _)| value.split_once(' '));
            match known {
                Some((same, word)) if same == body => return Ok(remembered(word)),
                Some(_) => return Err(Refusal::KeyReused.into()),
                None => {}
            }
        }
        let log = store.log();
        let answer = log.command(&self.app.id, &self.actor, self.key.clone(), command);
        let answer = answer.await?;
        if let (Some((name, body)), Some(word)) = (key, word(&answer)) {
            let value = format!("{body} {word}");
            store.observe(&self.app.id, name, &value).await?;
        }
        Ok(answer)
    }

    /// 202 with the deploy, 200 otherwise; a form goes to the page that shows it.
    pub fn answer(&self, answer: &Answer) -> Response {
        let page = match answer {
            Answer::Queued(number) => format!("/apps/{}/deploys/{}", self.app.id, number.0),
            _ => format!("/apps/{}", self.app.id),
        };
        if self.form {
            return Redirect::to(&page).into_response();
        }
        match answer {
            Answer::Queued(number) => {
                let body = QueuedBody {
                    deploy: *number,
                    url: format!("{}{page}", self.web.public_url),
                };
                json_answer(StatusCode::ACCEPTED, &body)
            }
            Answer::Unchanged | Answer::Duplicate => {
                json_answer(StatusCode::OK, &json!({"result": "unchanged"}))
            }
            Answer::Held(why) => json_answer(
                StatusCode::OK,
                &json!({"result": "held", "sentence": why.sentence}),
            ),
            Answer::Done => json_answer(StatusCode::OK, &json!({"result": "done"})),
        }
    }
}
