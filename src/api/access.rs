//! Bodies of tokens and sessions.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::id::AppId;

/// Body of `POST /tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTokenBody {
    /// Whose it is: the actor in the log.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The apps it is for; absent or null: all.
    #[serde(default)]
    pub apps: Option<BTreeSet<AppId>>,
    /// When it ends, RFC 3339; absent or null: never.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A token, without itself.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenBody {
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The apps it is for; null: all.
    pub apps: Option<BTreeSet<AppId>>,
    /// When it ends; null: never.
    pub expires: Option<String>,
    /// Whether it ended already.
    pub over: bool,
    /// When it was made.
    pub created_at: String,
    /// Whether the settings give it.
    pub of_settings: bool,
}

/// `GET /tokens`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokensBody {
    /// All of them, by name.
    pub tokens: Vec<TokenBody>,
}

/// The answer of `POST /tokens`: the only time that the token is shown.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MadeTokenBody {
    /// What it is.
    #[serde(flatten)]
    pub about: TokenBody,
    /// The token itself.
    pub token: String,
}

/// A browser that is logged in.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SessionBody {
    /// Names it; it opens nothing.
    pub id: String,
    /// The token it was begun with.
    pub token: String,
    /// Since when.
    pub since: String,
    /// When it was last used, within a minute.
    pub seen: Option<String>,
    /// The address it was begun from.
    pub peer: Option<String>,
    /// When it ends.
    pub expires: String,
    /// Whether it is the one that asks.
    pub this: bool,
}

/// `GET /sessions`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SessionsBody {
    /// Newest first.
    pub sessions: Vec<SessionBody>,
}
