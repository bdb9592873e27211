//! An observer that does not answer while somebody looks on: it is started again, maybe on another port, or a proxy has nobody
//! behind it for a moment.

use std::time::Duration;

use tokio::time::Instant;

use super::session::Session;
use crate::client::{Client, ClientError};

/// Between two searches.
const SEARCH: Duration = Duration::from_secs(2);

/// So long a search may take: it is no more than one of several ways.
const SEARCHING: Duration = Duration::from_secs(10);

/// How long the observer has been silent.
pub(super) struct Absence<'a> {
    session: &'a Session,
    since: Option<Instant>,
    sought: Option<Instant>,
    /// After so long it is an error.
    limit: Option<Duration>,
}

impl<'a> Absence<'a> {
    /// Of an observer that is waited for until somebody has looked enough.
    pub fn endless(session: &'a Session) -> Self {
        Self {
            session,
            since: None,
            sought: None,
            limit: None,
        }
    }

    /// The same for three minutes, unless `-timeout` says that answers come sooner or later.
    pub fn limited(session: &'a Session) -> Self {
        let limit = Some(session.timeout() * 6);
        Self {
            limit,
            ..Self::endless(session)
        }
    }

    /// It answered.
    pub fn ends(&mut self) {
        self.since = None;
    }

    /// It did not: it is looked for again, and asked there from now on. Answers what to say meanwhile.
    ///
    /// # Errors
    /// When it will not pass, or has lasted too long.
    pub async fn lasts(
        &mut self,
        client: &mut Client,
        error: ClientError,
    ) -> Result<String, ClientError> {
        // another service may have got its port
        if !error.passes() && !matches!(error, ClientError::Foreign(..)) {
            return Err(error);
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.limit.is_some_and(|limit| since.elapsed() > limit) {
            return Err(error);
        }
        if self.sought.is_none_or(|sought| sought.elapsed() > SEARCH) {
            let found = tokio::time::timeout(SEARCHING, self.found(client)).await;
            if let Ok(Some(found)) = found {
                *client = found;
            }
            self.sought = Some(Instant::now());
        }
        Ok(error.to_string())
    }

    /// Where it is now. Who named it said where it stays; and nobody is asked anything: a host that was not confirmed gets no token.
    async fn found(&self, client: &Client) -> Option<Client> {
        if self.session.global.observer.is_some() {
            return None;
        }
        let (_, observer) = self.session.observed().await.ok()?;
        if client.has_token() {
            self.session.operator_unasked(&observer).ok()
        } else {
            Some(observer.client)
        }
    }
}
