//! What went wrong or why something waits: a code for programs and a sentence for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A code and its sentence, e.g. `NO_OFFERS` and "/shop/web waits for resources: …".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sentence {
    /// Upper-case code; it never changes its meaning.
    pub code: String,
    /// What happened, and where there is one, the way out.
    pub sentence: String,
}

impl Sentence {
    /// A code with its sentence.
    pub fn new(code: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.sentence)
    }
}
