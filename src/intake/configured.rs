//! The app that the settings name: how it stands until it is registered, and that of which `/status` tells.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::event::Visibility;
use crate::id::{AppId, Branch};

/// The app of the settings.
pub struct Configured {
    /// Owner and name of the repository; empty where none is set.
    pub owner: String,
    /// See `owner`.
    pub repo: String,
    /// The trigger branch.
    pub branch: String,
    standing: Mutex<Standing>,
    pushed: Arc<Notify>,
}

/// How far its registration is.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Who may see its repository; not known before GitHub answered.
    pub visibility: Visibility,
    /// Its repository, by GitHub's id.
    pub repository: Option<u64>,
    /// The webhook that was registered before the app was.
    pub hook: Option<u64>,
    /// Whether it is being registered: GitHub may call before it has answered.
    pub hooks: bool,
    /// Its name at the start, where the log knew it: GitHub may be away and say no id.
    pub app: Option<AppId>,
    /// Why it is not registered, and since when it is tried in vain.
    pub waits: Option<(String, String)>,
}

impl Configured {
    /// Of the repository and the branch that the settings name; empty texts where they name none.
    #[must_use]
    pub fn new(owner: &str, repo: &str, branch: &str) -> Self {
        Self {
            owner: owner.to_owned(),
            repo: repo.to_owned(),
            branch: branch.to_owned(),
            standing: Mutex::default(),
            pushed: Arc::default(),
        }
    }

    /// The repository, where the settings name one.
    #[must_use]
    pub fn repository(&self) -> Option<String> {
        let named = !self.owner.is_empty() && !self.repo.is_empty();
        named.then(|| format!("{}/{}", self.owner, self.repo))
    }

    /// How far it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Something of that has changed.
    pub fn now(&self, change: impl FnOnce(&mut Standing)) {
        change(&mut self.standing.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// A push to a branch of a repository that no app follows: where it is this one's, the registration is tried at once,
    /// and the answer is why it has not been possible.
    #[must_use]
    pub fn pushed(&self, repository: u64, branch: &str) -> Option<String> {
        let standing = self.standing();
        let waits = standing.waits?;
        if standing.repository != Some(repository) || self.branch != branch {
            return None;
        }
        self.pushed.notify_one();
        Some(waits.0)
    }

    /// Waits for the next push to its branch.
    pub fn next_push(&self) -> OwnedNotified {
        self.pushed.clone().notified_owned()
    }

    /// Whether an app of this repository and branch is this one.
    #[must_use]
    pub fn is(&self, repository: &str, branch: &Branch) -> bool {
        self.branch == branch.as_str()
            && self
                .repository()
                .is_some_and(|r| r.eq_ignore_ascii_case(repository))
    }
}
