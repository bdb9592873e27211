//! Services become an app's that nobody owns, or that an app left which is gone.

use super::acting::Acting;
use super::error::Failure;
use super::target::Wanted;
use crate::api::{ActBody, ProblemCode};
use crate::event::{Action, Outcome};
use crate::history::App;
use crate::id::ServiceId;
use crate::plan::{self, Obstacle};
use crate::rollout;
use crate::secret::plain;
use crate::spec::LABEL_APP;

/// What an adopting is followed by a deploy of: the pin, or the head.
pub(super) fn stands_at(app: &App) -> Wanted {
    match &app.pin {
        Some(pin) => match pin.deploy {
            Some(number) => Wanted::Deploy(number),
            None => Wanted::Commit(pin.commit.to_string()),
        },
        None => Wanted::Head,
    }
}

/// The services that are adopted, as they run.
pub(super) async fn adopted(acting: &Acting<'_>, body: &ActBody) -> Result<Vec<Outcome>, Failure> {
    let (web, app) = (acting.web, &acting.app);
    let resolved = web.resolve(app, &Wanted::Head).await?;
    let wanted = |id: &ServiceId| {
        body.services
            .as_ref()
            .is_none_or(|list| list.iter().any(|s| s == id.as_str()))
    };
    let has_spec = |id: &&String| {
        let mut specs = resolved.commit.services.iter();
        specs.any(|s| s.id.as_str() == id.as_str())
    };
    if let Some(other) = body.services.iter().flatten().find(|id| !has_spec(id)) {
        let commit = resolved.to.commit.short();
        let why =
            format!("{other} has no spec at {commit}; only what the head names can be adopted");
        return Err(Failure::unprocessable(ProblemCode::Invalid, why));
    }
    let live = web.context.live(app, &resolved.commit.services).await?;
    let bounds = web.context.bounds(app, &resolved.commit.services).await?;
    let chosen = resolved.commit.services.iter().filter(|s| wanted(&s.id));
    for service in chosen {
        let label = live.get(&service.id).and_then(|l| l.labels.get(LABEL_APP));
        let refused = plan::allowed(&service.id, &bounds).err();
        if let Some(Obstacle::Fails(why)) = refused {
            return Err(Failure::unprocessable(ProblemCode::Invalid, why.sentence));
        }
        if let Some(owner) = label.filter(|l| **l != *app.id.as_str()) {
            given_up(acting, &service.id, owner, body.from.as_deref()).await?;
        }
    }
    if let Some(from) = &body.from {
        let labels = |s: &&crate::spec::Service| live.get(&s.id)?.labels.get(LABEL_APP);
        let mut chosen = resolved.commit.services.iter().filter(|s| wanted(&s.id));
        if !chosen.any(|s| labels(&s) == Some(from)) {
            let why = format!(
                "from: none of these services carries the label of the app {}",
                plain(from, 80)
            );
            return Err(Failure::unprocessable(ProblemCode::Invalid, why));
        }
    }
    let mut running = 0;
    let services: Vec<Outcome> = resolved
        .commit
        .services
        .iter()
        .filter(|s| wanted(&s.id))
        .filter_map(|s| live.get(&s.id).map(|l| (s, l)))
        .inspect(|_| running += 1)
        // what is ours already keeps what is known of it
        .filter(|(_, l)| !rollout::is_of(l, &app.id))
        .map(|(s, l)| Outcome {
            id: s.id.clone(),
            change: Action::Unchanged,
            new: l.instances,
            old: 0,
            spec: None,
            instances: s.instances,
            rendering: None,
        })
        .collect();
    if running == 0 {
        return Err(Failure::unprocessable(
            ProblemCode::Invalid,
            "none of these services runs in Marathon; there is nothing to adopt",
        ));
    }
    Ok(services)
}

/// Whether the app whose label a service carries is gone, as the operator says by naming it.
async fn given_up(
    acting: &Acting<'_>,
    service: &ServiceId,
    owner: &str,
    from: Option<&str>,
) -> Result<(), Failure> {
    let owner = plain(owner, 80);
    let refused = |why: String| Err(Failure::unprocessable(ProblemCode::Invalid, why));
    let known = match owner.parse() {
        Ok(id) => acting.web.context.store.app(&id).await?,
        Err(_) => None,
    };
    let hidden = known
        .as_ref()
        .is_some_and(|a| !acting.person.is_for(&a.id) && !a.is_public());
    if hidden {
        return refused(format!(
            "{service} carries the label of another app of this observer; change the id"
        ));
    }
    if known.is_some_and(|a| !a.destroyed) {
        return refused(format!(
            "{service} carries the label of the app {owner}, which is deployed from here; destroy that first, or change the id"
        ));
    }
    if from != Some(owner.as_str()) {
        return refused(format!(
            "{service} carries the label of the app {owner}, which this observer does not deploy; if it is gone for good, \"from\": \"{owner}\" takes over what it left"
        ));
    }
    Ok(())
}
