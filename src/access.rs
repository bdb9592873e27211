//! Who may do what: a token's role, and the apps it is for.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::AppId;

/// What a token may do; each may do what those before it may.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::EnumString,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Role {
    /// Sees what is private.
    Viewer,
    /// Deploys, rolls back, locks, scales; sees settings and specs.
    Operator,
    /// Also registers, destroys and adopts, and keeps webhooks and tokens.
    Admin,
}

impl Role {
    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What somebody is known by, as its hash: what they want is done only while it still counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A token.
    Token(String),
    /// A session of a browser.
    Session(String),
}

/// Somebody who is known by a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The name of the token.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The apps it is for; `None`: all, also those to come.
    pub apps: Option<BTreeSet<AppId>>,
    /// What they showed; `None` where nobody asked.
    pub proof: Option<Proof>,
}

impl Person {
    /// Whether the token is for this app.
    #[must_use]
    pub fn is_for(&self, app: &AppId) -> bool {
        self.apps.as_ref().is_none_or(|apps| apps.contains(app))
    }

    /// Whether it may do what this role may, to this app.
    #[must_use]
    pub fn may(&self, role: Role, app: &AppId) -> bool {
        self.role >= role && self.is_for(app)
    }

    /// Whether it may do what this role may, to all there is.
    #[must_use]
    pub fn may_everywhere(&self, role: Role) -> bool {
        self.role >= role && self.apps.is_none()
    }

    /// The actor in the log.
    #[must_use]
    pub fn actor(&self) -> String {
        format!("operator:{}", self.name)
    }
}

/// Longest name of a token, in characters.
const LONGEST: usize = 40;

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte)
}

/// Whether tokens may have this name, which is the actor in the log.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let speaks = name.bytes().any(|b| b.is_ascii_alphanumeric());
    speaks && name.len() <= LONGEST && name.bytes().all(is_plain)
}

/// What is said of another name.
pub const NAME: &str = "1 to 40 letters, digits, - _ . @";

/// What a person is called, as the name of a token: `Ana Bell` is `Ana-Bell`. `None` where nothing of it is left.
#[must_use]
pub fn name_like(text: &str) -> Option<String> {
    let parts = text
        .split(|c: char| !u8::try_from(c).is_ok_and(is_plain))
        .filter(|part| !part.is_empty());
    let mut name = parts.collect::<Vec<_>>().join("-");
    name.truncate(LONGEST);
    is_name(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_those_before_it_may_where_its_token_is_for() {
        let shop: AppId = "shop".parse().unwrap();
        let blog: AppId = "blog".parse().unwrap();
        let mut ana = Person {
            name: "ana".to_owned(),
            role: Role::Operator,
            apps: Some([shop.clone()].into()),
            proof: None,
        };
        assert!(ana.may(Role::Viewer, &shop) && ana.may(Role::Operator, &shop));
        assert!(!ana.may(Role::Admin, &shop) && !ana.may(Role::Viewer, &blog));
        assert!(!ana.may_everywhere(Role::Viewer));
        ana.apps = None;
        assert!(ana.may(Role::Operator, &blog) && ana.may_everywhere(Role::Operator));
        assert!(!ana.may_everywhere(Role::Admin));
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn the_name_of_a_person_becomes_one_of_a_token() {
        assert_eq!(name_like("Ana Bell").as_deref(), Some("Ana-Bell"));
        assert_eq!(name_like("  Zoë  ").as_deref(), Some("Zo"));
        assert_eq!(name_like("ana@acme.com").as_deref(), Some("ana@acme.com"));
        assert_eq!(name_like("名前"), None);
        assert_eq!(name_like(&"a".repeat(90)).map(|n| n.len()), Some(40));
        assert!(!is_name("..") && !is_name("a b") && !is_name("") && !is_name(&"a".repeat(41)));
    }
}
