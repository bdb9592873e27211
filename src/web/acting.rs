//! An operator who acts on an app: how the command goes to the log, and how the answer goes back to a form or a program.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::Web;
use super::error::Failure;
use super::negotiate::json as json_answer;
use crate::access::Person;
use crate::api::{Came, QueuedBody, ResultBody};
use crate::history::{Answer, App, Command, Refusal};

/// An action on one app, with everything that all of them need.
pub(super) struct Acting<'a> {
    /// What it is called in addresses.
    pub action: &'a str,
    pub web: &'a Web,
    pub app: App,
    pub person: &'a Person,
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
    /// A destroy, which has no key, and whose answer somebody else writes.
    pub fn by(web: &'a Web, app: App, person: &'a Person) -> Self {
        Self {
            action: "destroy",
            web,
            app,
            person,
            form: false,
            key: None,
        }
    }
}

impl Acting<'_> {
    /// The answer to a key that came before, as it was then: what began a deploy or changed a gate is known to the log, what changed
    /// nothing is remembered beside it.
    pub async fn replayed(&self) -> Result<Option<Answer>, Failure> {
        let store = &self.web.context.store;
        let Some(key) = self.key.as_deref() else {
            return Ok(None);
        };
        if let Some(deploy) = store.deploy_of_key(&self.app.id, key).await? {
            return Ok(Some(deploy.map_or(Answer::Done, Answer::Queued)));
        }
        let Some((name, body)) = key.split_once('#') else {
            return Ok(None);
        };
        let known = store.observed(&self.app.id, name).await?;
        match known.as_ref().and_then(|(value, _)| value.split_once(' ')) {
            Some((same, word)) if same == body => Ok(Some(remembered(word))),
            Some(_) => Err(Refusal::KeyReused.into()),
            None => Ok(None),
        }
    }

    /// Hands it to the log.
    pub async fn command(&self, command: Command) -> Result<Answer, Failure> {
        if let Some(answer) = self.replayed().await? {
            return Ok(answer);
        }
        let store = &self.web.context.store;
        let key = self.key.as_deref().and_then(|key| key.split_once('#'));
        let log = store.log();
        let answer = log.command_by(&self.app.id, self.person, self.key.clone(), command);
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
            let action = self.action;
            let did = match answer {
                Answer::Queued(_) => format!("{action}-queued"),
                Answer::Done => format!("{action}-done"),
                Answer::Unchanged | Answer::Duplicate => "unchanged".to_owned(),
                Answer::Held(_) => "held".to_owned(),
            };
            return Redirect::to(&format!("{page}?did={did}")).into_response();
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
                json_answer(StatusCode::OK, &ResultBody::of(Came::Unchanged))
            }
            Answer::Held(why) => {
                let body = ResultBody {
                    result: Came::Held,
                    sentence: Some(why.sentence.clone()),
                };
                json_answer(StatusCode::OK, &body)
            }
            Answer::Done => json_answer(StatusCode::OK, &ResultBody::of(Came::Done)),
        }
    }
}
