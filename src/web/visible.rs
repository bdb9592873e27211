//! What a viewer is shown: operators everything, others what belongs to apps of public repositories.

use super::Web;
use super::error::Failure;
use super::extract::Viewer;
use crate::api::ProblemCode;
use crate::history::App;
use crate::id::AppId;

impl Web {
    /// Whether this viewer is shown everything.
    pub(super) fn shows_all(&self, viewer: &Viewer) -> bool {
        viewer.operator.is_some() || self.private == Some(false)
    }

    /// Whether this viewer is shown the app.
    pub(super) fn shows(&self, viewer: &Viewer, app: &App) -> bool {
        self.shows_all(viewer) || app.is_public()
    }

    /// The app of this name; `.json` at its end only says what the caller reads. What is not shown is as if it were not there.
    pub(super) async fn app_shown(&self, viewer: &Viewer, name: &str) -> Result<App, Failure> {
        let found = self.app_named(name).await;
        if self.shows_all(viewer) {
            return found;
        }
        let name = name.strip_suffix(".json").unwrap_or(name);
        let found = match found {
            Err(failure) if failure.0.is(ProblemCode::NotFound) => None,
            found => Some(found?),
        };
        found.filter(App::is_public).ok_or_else(|| {
            Failure::missing(format!(
                "there is no app {name:?} that is shown without a login"
            ))
            .hint("log in, or send Authorization: Bearer <operator token>")
        })
    }

    /// The apps behind the name `after` that this viewer is shown, by name, and at most so many.
    pub(super) async fn apps_shown(
        &self,
        viewer: &Viewer,
        after: &str,
        most: usize,
    ) -> Result<Vec<App>, Failure> {
        let store = &self.context.store;
        if self.shows_all(viewer) {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            return Ok(store.apps(after, most).await?);
        }
        let (mut after, mut shown) = (after.to_owned(), Vec::new());
        while shown.len() < most {
            let page = store.next_apps(&mut after).await?;
            if page.is_empty() {
                break;
            }
            shown.extend(page.into_iter().filter(App::is_public));
        }
        shown.truncate(most);
        Ok(shown)
    }

    /// The same for one that is known by its name alone.
    pub(super) async fn shows_named(&self, viewer: &Viewer, id: &AppId) -> Result<bool, Failure> {
        if self.shows_all(viewer) {
            return Ok(true);
        }
        let app = self.context.store.app(id).await?;
        Ok(app.is_some_and(|app| app.is_public()))
    }
}
