//! Identifiers, parsed once at the border: a value of one of these types is valid wherever it is met.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha1::Digest;

/// Why a text is not the identifier it should be: what was expected, and the text (capped).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not {expected}")]
pub struct Invalid {
    expected: &'static str,
    given: String,
}

fn invalid(expected: &'static str, given: &str) -> Invalid {
    Invalid {
        expected,
        given: given.chars().take(120).collect(),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $pattern:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": concat!($expected, ".") })
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) { Ok(Self(text)) } else { Err(invalid($expected, &text)) }
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// The name of an app: `app_name` at the head of its branch when it was registered.
    AppId,
    "an app name: 1 to 63 of a-z, 0-9 and -",
    r"^[a-z0-9-]{1,63}$",
    |t| (1..=63).contains(&t.len())
        && t.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
);

text_id!(
    /// A commit: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
    CommitId,
    "a commit id: 40 or 64 lower-case hexadecimal digits",
    r"^([0-9a-f]{40}|[0-9a-f]{64})$",
    is_object_id
);

text_id!(
    /// A git blob, by the id git gives its content.
    BlobId,
    "a blob id: 40 or 64 lower-case hexadecimal digits",
    r"^([0-9a-f]{40}|[0-9a-f]{64})$",
    is_object_id
);

text_id!(
    /// The first 128 bits of the SHA-256 of a flattened spec: 32 hexadecimal digits.
    SpecHash,
    "a spec hash: 32 lower-case hexadecimal digits",
    r"^[0-9a-f]{32}$",
    |t| t.len() == 32 && is_hex(t)
);

text_id!(
    /// The absolute id of a Marathon app, e.g. `/shop/web`.
    ServiceId,
    "a Marathon id: / and segments of a-z, 0-9, - and .",
    r"^(/[a-z0-9]([a-z0-9.-]*[a-z0-9])?)+$",
    |t| t.len() <= 1024 && t.starts_with('/') && t[1..].split('/').all(is_marathon_segment)
);

text_id!(
    /// A git branch without `refs/heads/`.
    Branch,
    "a branch name",
    r"^[^-/.\s~^:?*\[\\][^\s~^:?*\[\\]{0,254}$",
    |t| !t.is_empty()
        && t.len() <= 255
        && !t.starts_with(['-', '/', '.'])
        && !t.ends_with(['/', '.'])
        && !t.contains("..")
        && !t.contains("//")
        && !t.contains("@{")
        && !t
            .chars()
            .any(|c| c.is_control() || " ~^:?*[\\".contains(c))
);

text_id!(
    /// A repository as GitHub names it: `owner/name`.
    RepositoryName,
    "a repository: owner/name",
    r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$",
    |t| t.split_once('/').is_some_and(|(owner, name)| {
        is_github_name(owner) && is_github_name(name) && name != "." && name != ".."
    })
);

fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_marathon_segment(segment: &str) -> bool {
    let dotted = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    segment.split('.').all(dotted)
}

fn is_github_name(name: &str) -> bool {
    (1..=100).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

impl CommitId {
    /// The first seven digits, as people write commits.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl BlobId {
    /// The id git gives these bytes in a SHA-1 repository.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hash = sha1::Sha1::new();
        hash.update(format!("blob {}\0", bytes.len()));
        hash.update(bytes);
        Self(hex::encode(hash.finalize()))
    }

    /// Whether these bytes are the blob of this id, in a SHA-1 or a SHA-256 repository.
    #[must_use]
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        if self.0.len() == 40 {
            return *self == Self::of(bytes);
        }
        let mut hash = sha2::Sha256::new();
        hash.update(format!("blob {}\0", bytes.len()));
        hash.update(bytes);
        self.0 == hex::encode(hash.finalize())
    }
}

impl SpecHash {
    /// The hash whose SHA-256 is `digest`.
    #[must_use]
    pub fn from_digest(digest: [u8; 32]) -> Self {
        Self(hex::encode(&digest[..16]))
    }
}

impl RepositoryName {
    /// The part before the slash.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// The part after the slash.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }
}

/// The number of a deploy, counted per app from 1; written `#42`.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct DeployNumber(pub u32);

impl DeployNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for DeployNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_what_is_valid_and_nothing_else() {
        assert!("shop-2".parse::<AppId>().is_ok());
        for bad in ["", "Shop", "a/b", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<AppId>().is_err(), "{bad}");
        }
        assert!("a".repeat(40).parse::<CommitId>().is_ok());
        assert!("A".repeat(40).parse::<CommitId>().is_err());
        assert!("/shop/web.v2/x-1".parse::<ServiceId>().is_ok());
        for bad in ["shop", "/", "/a//b", "/-a", "/A", "/a/"] {
            assert!(bad.parse::<ServiceId>().is_err(), "{bad}");
        }
        assert!("feature/ü".parse::<Branch>().is_ok());
        for bad in ["-x", "a..b", "a b", ""] {
            assert!(bad.parse::<Branch>().is_err(), "{bad}");
        }
        assert!("acme/shop.git".parse::<RepositoryName>().is_ok());
        assert!("acme/shop/x".parse::<RepositoryName>().is_err());
    }
}
