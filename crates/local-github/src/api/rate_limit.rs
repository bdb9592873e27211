//! The rate limit: so many requests an hour for each user, counted in the answers' headers. Here because clients, `PyGithub`
//! among them, read how much is left.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Requests an hour without.
const ANONYMOUS: u32 = 60;
/// Seconds.
const HOUR: i64 = 3600;

/// How much of the limit is used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub limit: u32,
    pub used: u32,
    /// Epoch seconds.
    pub reset: i64,
}

impl Usage {
    pub fn remaining(self) -> u32 {
        self.limit.saturating_sub(self.used)
    }

    /// Nothing left, until `reset`.
    pub fn exhausted(self, reset: i64) -> Self {
        Self {
            used: self.limit,
            reset,
            ..self
        }
    }

    pub fn write(self, headers: &mut HeaderMap) {
        let numbers = [
            ("x-ratelimit-limit", i64::from(self.limit)),
            ("x-ratelimit-remaining", i64::from(self.remaining())),
            ("x-ratelimit-used", i64::from(self.used)),
            ("x-ratelimit-reset", self.reset),
        ];
        for (name, value) in numbers {
            headers.insert(name, HeaderValue::from(value));
        }
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
    }

    pub fn shown(self) -> Value {
        json!({"limit": self.limit, "used": self.used, "remaining": self.remaining(), "reset": self.reset})
    }
}

/// Counts requests per user.
#[derive(Debug, Default)]
pub struct Meter(Mutex<HashMap<Option<String>, Usage>>);

impl Meter {
    /// How it stands for this user, and what `count` more requests make of it (0 to look, -1 to give one back).
    pub fn count(&self, login: Option<&str>, known: u32, count: i32, now: Timestamp) -> Usage {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Usage {
            limit: if login.is_some() { known } else { ANONYMOUS },
            used: 0,
            reset: now.as_second() + HOUR,
        };
        let usage = users.entry(login.map(str::to_owned)).or_insert(fresh);
        if usage.reset <= now.as_second() {
            *usage = fresh;
        }
        usage.used = usage.used.saturating_add_signed(count);
        *usage
    }
}
