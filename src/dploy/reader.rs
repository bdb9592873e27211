//! Reading at an observer: as anybody may, and as an operator where it shows nothing to strangers.

use super::session::{Observer, Session};
use crate::api::AppPage;
use crate::client::Client;
use crate::id::AppId;

/// The page of an app, and the client that may read it; `None` where the observer does not know the app.
///
/// # Errors
/// When the observer does not answer, or there is no token where it wants one.
pub(super) async fn page(
    session: &Session,
    observer: &Observer,
    app: &AppId,
) -> anyhow::Result<(Client, Option<AppPage>)> {
    match observer.client.app(app).await {
        Err(error) if error.code() == Some("login") => {
            let client = session.operator(observer)?;
            let page = client.app(app).await?;
            Ok((client, page))
        }
        other => Ok((observer.client.clone(), other?)),
    }
}
