//! Phrases that several summaries share.

use super::{Call, ResumeWhen};
use crate::id::{CommitId, ServiceId};

/// How long a pin holds.
pub(super) fn until(resume: ResumeWhen) -> &'static str {
    match resume {
        ResumeWhen::NextPush => "the next new push resumes",
        ResumeWhen::Manual => "until an operator resumes",
    }
}

/// Commits that were rolled back and come again.
pub(super) fn again(commits: &[CommitId]) -> String {
    if commits.is_empty() {
        return String::new();
    }
    let short: Vec<&str> = commits.iter().map(CommitId::short).collect();
    format!(", still containing {}, rolled back", short.join(", "))
}

/// What a call asks of Marathon.
pub(super) fn verb(call: Call) -> &'static str {
    match call {
        Call::Put => "change services",
        Call::Restart => "restart a service",
        Call::Delete => "remove a service",
        Call::Scale => "scale a service",
        Call::Wipe => "clear away tasks that are not healthy",
        Call::Cancel => "give up its deployment",
    }
}

/// The first five ids, and how many more there are.
pub(super) fn ids<'a>(all: impl Iterator<Item = &'a ServiceId>) -> String {
    let all: Vec<&str> = all.map(ServiceId::as_str).collect();
    if all.len() <= 6 {
        all.join(", ")
    } else {
        format!("{} and {} more", all[..5].join(", "), all.len() - 5)
    }
}

/// The head, as an insertion.
pub(super) fn head_of(head: Option<&CommitId>) -> String {
    head.map(|h| format!(" at {}", h.short()))
        .unwrap_or_default()
}

/// A reason, as an insertion.
pub(super) fn because(reason: Option<&str>) -> String {
    reason
        .filter(|r| !r.is_empty())
        .map(|r| format!(", because “{r}”"))
        .unwrap_or_default()
}

/// A number of things, in words.
#[must_use]
pub fn count(number: usize, one: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {one}s")
    }
}
