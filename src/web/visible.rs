//! What a viewer is shown: what their token is for, and what belongs to apps of public repositories.

use std::collections::BTreeSet;

use super::Web;
use super::error::Failure;
use super::people::{LOGIN, Viewer, needs, not_allowed};
use crate::access::{Person, Role};
use crate::api::ProblemCode;
use crate::history::App;
use crate::store::{StoreError, Within};

impl Web {
    /// What this viewer is shown; `None`: everything.
    pub(super) fn within(&self, viewer: &Viewer) -> Option<Within> {
        let apps = match &viewer.person {
            Some(Person { apps: None, .. }) => return None,
            Some(Person {
                apps: Some(apps), ..
            }) => apps.clone(),
            None => BTreeSet::new(),
        };
        // where everything asks for a login, a token for some apps is for no others
        let public = self.private != Some(true);
        (self.private != Some(false)).then_some(Within { public, apps })
    }

    /// Whether a viewer may still be known by what they showed.
    pub(super) async fn still(&self, viewer: &Viewer) -> Result<bool, StoreError> {
        match viewer.person.as_ref().and_then(|p| p.proof.as_ref()) {
            Some(proof) => {
                let now = crate::clock::stamp(self.context.clock.now());
                self.context.store.counts(proof, &now).await
            }
            None => Ok(true),
        }
    }

    /// Whether this viewer is shown everything.
    pub(super) fn shows_all(&self, viewer: &Viewer) -> bool {
        self.within(viewer).is_none()
    }

    /// Whether this viewer is shown the app.
    pub(super) fn shows(&self, viewer: &Viewer, app: &App) -> bool {
        let within = self.within(viewer);
        within.is_none_or(|w| w.apps.contains(&app.id) || w.public && app.is_public())
    }

    /// The app of this name, which this person acts on as the role may.
    pub(super) async fn app_for(
        &self,
        person: &Person,
        role: Role,
        name: &str,
    ) -> Result<App, Failure> {
        let viewer = Viewer {
            person: Some(person.clone()),
        };
        let app = self.app_shown(&viewer, name).await?;
        needs(person, role)?;
        if !person.is_for(&app.id) {
            let why = format!("the token {} is not for the app {}", person.name, app.id);
            return Err(not_allowed(why));
        }
        Ok(app)
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
        found.filter(|app| self.shows(viewer, app)).ok_or_else(|| {
            let (to, way) = match &viewer.person {
                Some(person) => (
                    format!("to the token {}", person.name),
                    "whoever has the role admin for all apps makes tokens",
                ),
                None => ("without a login".to_owned(), LOGIN),
            };
            Failure::missing(format!("there is no app {name:?} that is shown {to}")).hint(way)
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
            shown.extend(page.into_iter().filter(|app| self.shows(viewer, app)));
        }
        shown.truncate(most);
        Ok(shown)
    }
}
