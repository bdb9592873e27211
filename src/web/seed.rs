//! What the first release answered: its status, and where what it did without asking who asks is now.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::Web;
use super::error::Failure;
use super::negotiate::json;
use super::people::Viewer;
use crate::api::{ProblemCode, RegisteringBody, StatusBody};
use crate::event::Visibility;
use crate::history::App;

/// Go's zero time, which its clients parse.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// Seconds after which it is worth asking again.
const AGAIN: u64 = 10;

impl Web {
    /// The app of the settings, as long as it cannot be registered. Whether its repository is private decides who is told.
    pub(super) fn registering(&self, viewer: &Viewer) -> Option<RegisteringBody> {
        let standing = self.configured.standing();
        let (sentence, since) = standing.waits.filter(|_| self.shows_configured(viewer))?;
        Some(RegisteringBody {
            repository: self.configured.repository()?,
            branch: self.configured.branch.clone(),
            sentence,
            since,
            webhook: standing.hook.is_some(),
        })
    }

    /// Whether this viewer may see the app of the settings: nobody but an operator may before GitHub said that it is public.
    fn shows_configured(&self, viewer: &Viewer) -> bool {
        self.shows_all(viewer) || self.configured.standing().visibility == Visibility::Public
    }

    /// The app of the settings; without such settings, the only one there is.
    async fn seeds_app(&self, viewer: &Viewer) -> Result<Option<App>, Failure> {
        let store = &self.context.store;
        let standing = self.configured.standing();
        if let Some(repository) = standing.repository {
            let mut apps = store.apps_of(repository).await?.into_iter();
            let found = apps.find(|a| a.source.branch.as_str() == self.configured.branch);
            if found.is_some() {
                return Ok(found);
            }
        }
        if let Some(id) = standing.app {
            return Ok(store.app(&id).await?);
        }
        let mut apps = self.apps_shown(viewer, "", 2).await?;
        let only = self.configured.repository().is_none() && apps.len() == 1;
        Ok(only.then(|| apps.remove(0)))
    }
}

fn login() -> Failure {
    let why = "this status is of a private repository";
    Failure::new(StatusCode::UNAUTHORIZED, ProblemCode::Login, why)
        .hint("log in, or send Authorization: Bearer <operator token>")
}

fn not_said() -> Response {
    let failure = Failure::new(
        StatusCode::SERVICE_UNAVAILABLE,
        ProblemCode::Github,
        "GitHub has not said yet whether the repository is private",
    );
    let failure = failure.hint("try again in a moment, or log in");
    failure.after(AGAIN).into_response()
}

/// `GET /status`.
pub(super) async fn show_status(
    State(web): State<Web>,
    viewer: Viewer,
) -> Result<Response, Failure> {
    let configured = &web.configured;
    let app = web.seeds_app(&viewer).await?;
    let standing = configured.standing().visibility;
    let visibility = match &app {
        // nobody asks any more
        Some(app) if app.destroyed || app.veiled => Visibility::Unknown,
        Some(app) => app.source.visibility,
        None => standing,
    };
    if !web.shows_all(&viewer) && (app.is_some() || configured.repository().is_some()) {
        match visibility {
            Visibility::Public if app.as_ref().is_none_or(|a| web.shows(&viewer, a)) => {}
            // under -private also what a token is not for
            Visibility::Public | Visibility::Private => return Err(login()),
            Visibility::Unknown => return Ok(not_said()),
        }
    }
    let (owner, repo, branch) = match (&app, configured.repository()) {
        (_, Some(_)) => (
            configured.owner.clone(),
            configured.repo.clone(),
            configured.branch.clone(),
        ),
        (Some(app), None) => (
            app.source.repository.owner().to_owned(),
            app.source.repository.name().to_owned(),
            app.source.branch.to_string(),
        ),
        (None, None) => {
            let what = "no -owner and -repo are set, so this status is of no app";
            return Err(Failure::missing(what).hint("GET /apps.json lists the apps"));
        }
    };
    let last = app.and_then(|a| a.live).map(|live| live.since);
    let body = StatusBody {
        owner,
        repo,
        branch,
        pubnode: web.public_node.clone(),
        lastdeploy: last.unwrap_or_else(|| NEVER.to_owned()),
    };
    Ok(json(StatusCode::OK, &body))
}

/// `/register` and `/reset`, which anybody could call.
pub(super) async fn moved(
    State(web): State<Web>,
    viewer: Viewer,
    uri: Uri,
) -> Result<Response, Failure> {
    let action = match uri.path() {
        "/register" => "register",
        _ => "remove",
    };
    let app = web
        .seeds_app(&viewer)
        .await?
        .filter(|a| web.shows(&viewer, a));
    let app = app.map_or("<app>".to_owned(), |app| app.id.to_string());
    Err(Failure::new(
        StatusCode::GONE,
        ProblemCode::Moved,
        format!(
            "{} of the first release is now POST /apps/{app}/hook/{action}, for admins only; nothing was done",
            uri.path()
        ),
    )
    .hint(format!(
        "the webhook is kept by itself; its page is {}/apps/{app}/hook",
        web.public_url
    )))
}
