//! A request goes out with what shows who we are, and its answer is read: as JSON, or as why it was refused.

use reqwest::{Method, RequestBuilder, Response, StatusCode, header};
use serde_json::Value;

use super::client::Client;
use super::error::MarathonError;
use super::place::Known;
use crate::transport::Way;

/// Answers larger than this are cut off.
const LARGEST: usize = 64 * 1024 * 1024;

impl Client {
    /// Sends a request with what shows who we are. Where that ran out, it is renewed once and the request is repeated:
    /// a call that was answered with 401 was not carried out.
    pub(super) async fn send(
        &self,
        place: &Known,
        request: RequestBuilder,
    ) -> Result<Response, MarathonError> {
        self.send_by(&place.way, place, request).await
    }

    /// The same by a way of one's own.
    pub(super) async fn send_by(
        &self,
        way: &Way,
        place: &Known,
        request: RequestBuilder,
    ) -> Result<Response, MarathonError> {
        let sent = self.send_with_pass(way, place, request).await;
        let now = self.clock.elapsed();
        match &sent {
            Ok(answer) if is_no_answer(answer.status()) => {
                let why = format!("Marathon at {} answers {}", place.base, answer.status());
                self.reach.fails(now, &why);
            }
            Ok(_) => self.reach.answers(now),
            Err(error) => self.reach.fails(now, error),
        }
        sent
    }

    async fn send_with_pass(
        &self,
        way: &Way,
        place: &Known,
        request: RequestBuilder,
    ) -> Result<Response, MarathonError> {
        let again = request.try_clone().filter(|_| self.access.renews());
        let pass = self.access.pass(way, None).await?;
        let sent = way.send(pass.on(request)).await;
        let answer = sent.map_err(|e| place.unreachable(&e))?;
        let Some(again) = again.filter(|_| answer.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        let pass = self.access.pass(way, Some(&pass)).await?;
        let sent = way.send(pass.on(again)).await;
        sent.map_err(|e| place.unreachable(&e))
    }

    /// A GET of something else at Marathon's own address, with what shows who we are: on DC/OS the agents are there too.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn beside(&self, path: &str) -> Result<Response, MarathonError> {
        let place = self.place()?;
        let base = reqwest::Url::parse(&place.base)
            .map_err(|e| MarathonError::Unreachable(format!("Marathon at {}: {e}", place.base)))?;
        let origin = base.origin().ascii_serialization();
        let request = place.way.request(Method::GET, &format!("{origin}{path}"));
        self.send_with_pass(&place.way, &place, request).await
    }

    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
        services: &[String],
    ) -> Result<Value, MarathonError> {
        let place = self.place()?;
        let mut request = place
            .way
            .request(method, &format!("{}{path}", place.base))
            .header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_owned());
        }
        let answer = self.send(&place, request).await?;
        let status = answer.status();
        let bytes = read_capped(answer)
            .await
            .map_err(|e| place.unreachable(&e.into()))?;
        let value = serde_json::from_slice(&bytes);
        if status.is_success() {
            return Ok(value.unwrap_or_default());
        }
        let text = || Value::from(String::from_utf8_lossy(&bytes));
        let value = self.access.clean(value.unwrap_or_else(|_| text()));
        Err(place.refusal(status, &value, services))
    }
}

/// Answers of a proxy before it, or of one that does not know us.
fn is_no_answer(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::UNAUTHORIZED
}

async fn read_capped(mut answer: reqwest::Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > LARGEST {
            break;
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
