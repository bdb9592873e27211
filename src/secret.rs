//! Secrets: a type that does not print itself, and redaction of texts that might carry one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, RwLock};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What stands where a secret was.
pub const HIDDEN: &str = "••••";

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// 32 random bytes from the operating system, in hexadecimal.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(hex::encode(bytes)))
    }

    /// SHA-256 of the value in hexadecimal, by which tokens and sessions are looked up.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.0.as_bytes()))
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Eight hexadecimal digits that say whether two secret values are equal, and nothing else.
///
/// # Panics
/// Never: HMAC takes keys of any length.
#[must_use]
pub fn fingerprint(key: &Secret, value: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes())
        .expect("HMAC takes keys of any length");
    mac.update(value.as_bytes());
    hex::encode(&mac.finalize().into_bytes()[..4])
}

/// Whether a name (of an environment variable, a label, a field) says that its value is secret.
#[must_use]
pub fn looks_secret(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "password",
        "passwd",
        "secret",
        "token",
        "apikey",
        "api_key",
        "private_key",
        "credential",
        "passphrase",
        "access_key",
        "auth",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    WORDS.iter().any(|word| name.contains(word)) || name == "pat" || name.ends_with("_pat")
}

/// The password in an address such as `postgres://user:password@host/`.
#[must_use]
pub fn password_in_url(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    Some(password)
}

/// The value of a setting written as one text, `NAME=value`, where the name says that it is secret.
#[must_use]
pub fn secret_setting(text: &str) -> Option<&str> {
    let (name, value) = text.split_once('=')?;
    let name = name.trim_start_matches('-');
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    (is_name && !value.is_empty() && looks_secret(name)).then_some(value)
}

/// Replaces what is secret in a part of a spec, wherever it stands in it: what has a name that says so, passwords in addresses, and
/// settings written as one text. `path` leads to the part, `hidden` makes of a secret what is shown.
pub fn hide_secrets(path: &str, part: &mut Value, hidden: &dyn Fn(&str) -> String) {
    if path.split('/').any(looks_secret) {
        *part = hidden(&part.to_string()).into();
        return;
    }
    match part {
        Value::String(text)
            if password_in_url(text).is_some() || secret_setting(text).is_some() =>
        {
            *text = hidden(&Value::from(text.as_str()).to_string());
        }
        Value::Object(map) => {
            for (name, value) in map {
                hide_secrets(name, value, hidden);
            }
        }
        Value::Array(list) => {
            for value in list {
                hide_secrets("", value, hidden);
            }
        }
        _ => {}
    }
}

/// Knows the secrets of this process and takes them out of texts that came from elsewhere.
///
/// Values shorter than six characters are not looked for: they would eat ordinary words.
#[derive(Clone, Default)]
pub struct Redactor {
    known: Arc<RwLock<BTreeSet<String>>>,
}

impl Redactor {
    /// Remembers a value that must never be shown.
    pub fn learn(&self, value: &str) {
        if value.len() >= 6
            && let Ok(mut known) = self.known.write()
        {
            // of a key in several lines each line tells something
            let lines = value.lines().map(str::trim).filter(|l| l.len() >= 6);
            for form in lines.chain([value, value.trim()]) {
                known.insert(form.to_owned());
                // as it looks within JSON
                let escaped = serde_json::Value::from(form).to_string();
                known.insert(escaped[1..escaped.len() - 1].to_owned());
            }
        }
    }

    /// The text without any secret that is known, nor anything shaped like a GitHub token.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if let Ok(known) = self.known.read() {
            // longest first, so that a secret within a longer one leaves no remainder
            let mut values: Vec<&String> = known.iter().collect();
            values.sort_by_key(|v| std::cmp::Reverse(v.len()));
            for value in values {
                if text.contains(value.as_str()) {
                    text = text.replace(value.as_str(), HIDDEN);
                }
            }
        }
        hide_github_tokens(&text)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor")
    }
}

fn hide_github_tokens(text: &str) -> String {
    const PREFIXES: &[&str] = &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, prefix)) = PREFIXES
        .iter()
        .filter_map(|p| rest.find(p).map(|at| (at, *p)))
        .min()
    {
        let tail = &rest[at + prefix.len()..];
        let len = tail
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(tail.len());
        out.push_str(&rest[..at]);
        out.push_str(if len >= 16 {
            HIDDEN
        } else {
            &rest[at..at + prefix.len() + len]
        });
        rest = &tail[len..];
    }
    out.push_str(rest);
    out
}

/// A text of at most `limit` characters without control or bidirectional characters; says so when it was cut.
#[must_use]
pub fn plain(text: &str, limit: usize) -> String {
    let harmless = |c: char| {
        // no text has these, and XML forbids them
        let none = matches!(c, '\u{fffe}' | '\u{ffff}');
        !(none
            || c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}'))
    };
    let cleaned = text
        .chars()
        .map(|c| {
            if c == '\n' || c == '\t' || c == '\r' {
                ' '
            } else {
                c
            }
        })
        .filter(|c| harmless(*c));
    let mut out: String = cleaned.clone().take(limit).collect();
    if cleaned.count() > limit {
        out.push_str("… (cut)");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_secret_leaves_no_trace() {
        let redactor = Redactor::default();
        redactor.learn("hunter22");
        redactor.learn("hunter22-long");
        assert_eq!(
            redactor.clean("a hunter22-long b hunter22"),
            "a •••• b ••••"
        );
        assert_eq!(
            redactor.clean("token ghp_0123456789abcdefghij!"),
            "token ••••!"
        );
        assert_eq!(format!("{:?}", Secret::new("x")), "••••");
    }

    #[test]
    fn what_is_secret_in_a_spec_is_hidden_at_any_depth() {
        let shown = |path: &str, mut value: Value| {
            hide_secrets(path, &mut value, &|_| HIDDEN.to_owned());
            value
        };
        let env = serde_json::json!({"DB_PASSWORD": "sentinel-1", "URL": "pg://u:sentinel-2@db/", "COLOUR": "red"});
        let hidden = serde_json::json!({"DB_PASSWORD": HIDDEN, "URL": HIDDEN, "COLOUR": "red"});
        assert_eq!(shown("/env", env.clone()), hidden);
        assert_eq!(
            shown("", serde_json::json!({ "env": env })),
            serde_json::json!({ "env": hidden })
        );
        assert_eq!(shown("/env/API_TOKEN", "sentinel-3".into()), HIDDEN);
        assert_eq!(
            shown("/labels/SECRETS", serde_json::json!(["sentinel-4"])),
            HIDDEN
        );
        let docker = serde_json::json!([{"key": "env", "value": "AUTH_TOKEN=sentinel-5"}, {"key": "user", "value": "0:0"}]);
        assert_eq!(
            shown("/container/docker/parameters", docker)[0]["value"],
            HIDDEN
        );
        assert_eq!(
            shown(
                "/args",
                serde_json::json!(["--db-password=sentinel-6", "--port=80"])
            ),
            serde_json::json!([HIDDEN, "--port=80"])
        );
        assert_eq!(
            shown("/cmd", "exec serve --port 80".into()),
            "exec serve --port 80"
        );
    }

    #[test]
    fn plain_text_has_no_tricks() {
        assert_eq!(plain("a\u{202e}b\u{1b}[31m\nc", 20), "ab[31m c");
        assert_eq!(plain("abcdef", 3), "abc… (cut)");
    }
}
