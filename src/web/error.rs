//! Errors as `application/problem+json` (RFC 9457) or as a page. The cause is logged here, once, and never sent.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::{PlanBody, Problem, ProblemCode};
use crate::history::Refusal;
use crate::marathon::MarathonError;
use crate::store::StoreError;

/// An error as it leaves a handler.
#[derive(Debug)]
pub struct Failure(pub Box<Problem>);

/// Marks a response whose body is made of this problem, once it is known what the caller reads.
#[derive(Clone)]
pub(super) struct Rendered(pub Problem);

impl Failure {
    /// An error with its code, what happened, and the way out.
    pub fn new(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem {
            kind: "about:blank".to_owned(),
            title: title(code, status).to_owned(),
            status: status.as_u16(),
            code: code.word().to_owned(),
            detail: detail.into(),
            hint: None,
            plan: None,
            retry_after: None,
        }))
    }

    /// With the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// With the seconds after which it is worth trying again.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// With the plan that holds now.
    #[must_use]
    pub fn plan(mut self, plan: PlanBody) -> Self {
        self.0.plan = Some(Box::new(plan));
        self
    }

    /// Nothing of this name.
    pub fn missing(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, ProblemCode::NotFound, what)
    }

    /// It cannot be done as asked.
    pub fn unprocessable(code: ProblemCode, why: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, why)
    }
}

fn title(code: ProblemCode, status: StatusCode) -> &'static str {
    let general = status.canonical_reason().unwrap_or("Error");
    code.title().unwrap_or(general)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Unavailable(why) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ProblemCode::LogUnavailable,
                format!("the log cannot be written now: {why}"),
            )
            .hint("try again in a moment"),
            StoreError::Ended => Self::new(
                StatusCode::UNAUTHORIZED,
                ProblemCode::Token,
                error.to_string(),
            )
            .hint("nothing was done; ask again"),
            StoreError::Exists(_) => Self::new(
                StatusCode::CONFLICT,
                ProblemCode::NameTaken,
                error.to_string(),
            ),
            StoreError::LastAdmin(_) => {
                Self::new(StatusCode::CONFLICT, ProblemCode::NotNow, error.to_string())
            }
            other => {
                tracing::error!(error = %other, "a request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    ProblemCode::Internal,
                    "the log could not be read; the observer's own log says why",
                )
            }
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::UnknownApp => Self::missing(text),
            Refusal::Destroying => Self::new(StatusCode::CONFLICT, ProblemCode::Destroying, text),
            Refusal::NameTaken(id) => Self::new(StatusCode::CONFLICT, ProblemCode::NameTaken, text)
                .hint(format!("give the app another app_name in dploy.app; GET /apps/{id} shows which source it is")),
            Refusal::Busy(..) => Self::new(StatusCode::CONFLICT, ProblemCode::Busy, text)
                .hint("wait for it, or cancel it first"),
            Refusal::Locked(_) => Self::new(StatusCode::LOCKED, ProblemCode::Locked, text)
                .hint("unlock it, or send override_lock: true"),
            Refusal::KeyReused => Self::unprocessable(ProblemCode::KeyReused, text)
                .hint("nothing was done; a new wish has a new key"),
            Refusal::PlanStale => Self::new(StatusCode::CONFLICT, ProblemCode::PlanStale, text)
                .hint("look at the new plan and send its token"),
            Refusal::Stale => Self::new(StatusCode::CONFLICT, ProblemCode::Stale, text),
            Refusal::Taken(..) | Refusal::Not(_) => {
                Self::new(StatusCode::CONFLICT, ProblemCode::NotNow, text)
            }
        }
    }
}

impl From<MarathonError> for Failure {
    fn from(error: MarathonError) -> Self {
        Self::new(
            StatusCode::BAD_GATEWAY,
            ProblemCode::Marathon,
            error.to_string(),
        )
        .hint("Marathon is needed for this; try again when it answers")
    }
}

impl From<getrandom::Error> for Failure {
    fn from(error: getrandom::Error) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::Random,
            error.to_string(),
        )
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let problem = *self.0;
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body,
        )
            .into_response();
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = problem.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(Rendered(problem));
        response
    }
}
