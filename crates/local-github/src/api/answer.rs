//! Refusals in GitHub's words, request bodies, and lists that come in pages.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::render::Links;

/// An answer that is not what was asked for.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    message: String,
    errors: Option<Value>,
    /// Clients tell some refusals by it.
    documentation: &'static str,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: None,
            documentation: "https://docs.github.com/rest",
        }
    }

    /// Too many requests of this hour.
    pub fn limited(message: String) -> Self {
        Self {
            documentation: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
            ..Self::new(StatusCode::FORBIDDEN, message)
        }
    }

    /// Too many requests at once.
    pub fn secondary_limited() -> Self {
        let sentence = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        Self {
            documentation: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
            ..Self::new(StatusCode::FORBIDDEN, sentence)
        }
    }

    /// Also said to those who have no right to know.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 422 with one error of the code `custom`.
    pub fn invalid(resource: &str, message: &str) -> Self {
        Self::validation(json!({"resource": resource, "code": "custom", "message": message}))
    }

    /// 422 about one field.
    pub fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::validation(json!({"resource": resource, "code": code, "field": field}))
    }

    /// 422 about the name of a repository that is not made.
    pub fn not_created(message: &str) -> Self {
        let error = json!({"resource": "Repository", "code": "custom", "field": "name", "message": message});
        Self {
            errors: Some(Value::Array(vec![error])),
            ..Self::unprocessable("Repository creation failed.")
        }
    }

    fn validation(error: Value) -> Self {
        Self {
            errors: Some(Value::Array(vec![error])),
            ..Self::unprocessable("Validation Failed")
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": self.documentation,
            "status": self.status.as_u16().to_string(),
        });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        (self.status, Json(body)).into_response()
    }
}

impl From<anyhow::Error> for Refusal {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!("the local GitHub failed: {error:#}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Server Error")
    }
}

/// What a REST call answers.
pub type Answer<T = Json<Value>> = Result<T, Refusal>;

/// A JSON body, whatever the content type says; no body at all is `{}`.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes =
            bytes.map_err(|_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "Payload too large"))?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let problem = |_| Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON");
        let value: Value = serde_json::from_slice(text).map_err(problem)?;
        if !value.is_object() {
            let sentence = "Body should be a JSON object";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, sentence));
        }
        let misshapen = |error| Refusal::unprocessable(format!("Invalid request.\n\n{error}"));
        serde_json::from_value(value).map(Self).map_err(misshapen)
    }
}

/// Where the caller sent the request, before `/api/v3` and repository ids were resolved.
#[derive(Debug, Clone)]
pub struct Asked {
    pub uri: Uri,
    /// The server, by the names the caller has for it.
    pub links: Links,
}

/// Which part of a list is wanted.
#[derive(Debug, serde::Deserialize)]
pub struct Paging {
    per_page: Option<String>,
    page: Option<String>,
}

impl Paging {
    pub fn per_page(&self) -> usize {
        per_page(self.per_page.as_deref())
    }

    fn page(&self) -> usize {
        number(self.page.as_deref()).unwrap_or(1)
    }

    /// Whether a part of the list is asked for at all.
    pub fn is_asked(&self) -> bool {
        self.page.is_some() || self.per_page.is_some()
    }

    /// How many items come before the page.
    pub fn skip(&self) -> usize {
        (self.page() - 1).saturating_mul(self.per_page())
    }

    /// Answers one page of items that are all at hand.
    pub fn answer(&self, asked: &Asked, items: &[Value]) -> Response {
        let all = items.len();
        let page: Vec<&Value> = items
            .iter()
            .skip(self.skip())
            .take(self.per_page())
            .collect();
        self.answer_page(
            asked,
            json!(page),
            Some(all),
            self.skip() + self.per_page() < all,
        )
    }

    /// Answers a page, and whether there is more.
    pub fn answer_page(
        &self,
        asked: &Asked,
        page: Value,
        all: Option<usize>,
        more: bool,
    ) -> Response {
        let number = self.page();
        let mut links = Vec::new();
        let mut link =
            |rel: &'static str, page: usize| links.push((rel, vec![("page", page.to_string())]));
        if number > 1 {
            link("prev", number - 1);
        }
        if more {
            link("next", number + 1);
            if let Some(all) = all {
                link("last", all.div_ceil(self.per_page()));
            }
        }
        if number > 1 {
            link("first", 1);
        }
        linked(asked, &links, Json(page).into_response())
    }
}

/// GitHub's default and bound of `per_page`.
pub fn per_page(wanted: Option<&str>) -> usize {
    number(wanted).unwrap_or(30).min(100)
}

/// A number from 1; GitHub overlooks what is none.
fn number(text: Option<&str>) -> Option<usize> {
    text?.parse().ok().filter(|number| *number > 0)
}

/// Adds a `Link` header: for each relation the parameters that differ from the request.
pub fn linked(
    asked: &Asked,
    links: &[(&str, Vec<(&str, String)>)],
    mut response: Response,
) -> Response {
    let kept = |changed: &[(&str, String)]| {
        let query = asked.uri.query().unwrap_or_default().split('&');
        let old = query.filter(|pair| {
            !pair.is_empty()
                && !changed
                    .iter()
                    .any(|(name, _)| pair.split('=').next() == Some(*name))
        });
        old.map(str::to_owned).collect::<Vec<_>>()
    };
    let each = links.iter().map(|(rel, changed)| {
        let mut query = kept(changed);
        query.extend(
            changed
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        format!(
            "<{}{}?{}>; rel=\"{rel}\"",
            asked.links.web,
            asked.uri.path(),
            query.join("&")
        )
    });
    let value = each.collect::<Vec<_>>().join(", ");
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(&value)) {
        response.headers_mut().insert(header::LINK, value);
    }
    response
}
