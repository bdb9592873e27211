//! Answers that say no: a status and Marathon's wording.

use serde_json::{Value, json};

/// An error answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The JSON body; `message` is always there.
    pub body: Value,
    /// What `group_change_failed` gives as its reason, where that is not the message.
    pub reason: Option<String>,
}

/// A list of complaints: where, and what.
pub type Complaints = Vec<(String, String)>;

/// Why a feature cannot be used that has to be switched on.
pub fn feature_off(name: &str) -> String {
    // the bracket is Marathon's
    format!("Feature {name} is not enabled. Enable with --enable_features {name})")
}

impl Refusal {
    /// Only a message.
    pub fn message(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            body: json!({ "message": message.into() }),
            reason: None,
        }
    }

    /// 422: a value of a wrong type or out of its range.
    pub fn invalid_json(complaints: &Complaints) -> Self {
        Self::detailed("Invalid JSON", complaints)
    }

    /// 422: the right types, but the whole makes no sense.
    pub fn invalid(complaints: &Complaints) -> Self {
        Self::detailed("Object is not valid", complaints)
    }

    /// 422 with one complaint about the whole.
    pub fn invalid_at(path: &str, error: &str) -> Self {
        Self::invalid(&vec![(path.to_owned(), error.to_owned())])
    }

    /// 409: other deployments hold the apps.
    pub fn locked(deployments: &[String]) -> Self {
        let ids: Vec<Value> = deployments.iter().map(|id| json!({ "id": id })).collect();
        let message = "App is locked by one or more deployments. Override with the option '?force=true'. \
                       View details at '/v2/deployments/<DEPLOYMENT_ID>'.";
        Self {
            status: 409,
            body: json!({ "message": message, "deployments": ids }),
            reason: None,
        }
    }

    /// 404 for an app.
    pub fn no_app(id: &impl std::fmt::Display) -> Self {
        Self::message(404, format!("App '{id}' does not exist"))
    }

    /// 404 for a group.
    pub fn no_group(id: &impl std::fmt::Display) -> Self {
        Self::message(404, format!("Group '{id}' does not exist"))
    }

    /// The same with a reason of its own for events.
    pub fn because(self, reason: String) -> Self {
        Self {
            reason: Some(reason),
            ..self
        }
    }

    /// What events say about it.
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| self.text())
    }

    /// The text of the message.
    pub fn text(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }

    fn detailed(message: &str, complaints: &Complaints) -> Self {
        let mut details: Vec<(String, Vec<String>)> = Vec::new();
        for (path, error) in complaints {
            match details.iter_mut().find(|(p, _)| p == path) {
                Some((_, errors)) => errors.push(error.clone()),
                None => details.push((path.clone(), vec![error.clone()])),
            }
        }
        let details: Vec<Value> = details
            .iter()
            .map(|(path, errors)| json!({ "path": path, "errors": errors }))
            .collect();
        Self {
            status: 422,
            body: json!({ "message": message, "details": details }),
            reason: None,
        }
    }
}
