//! From one tree to the next: which apps are stopped, started, scaled and restarted, in which order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::definition::app::App;
use crate::definition::id::Id;
use crate::definition::tree::Tree;

/// What happens to an app.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Verb {
    /// A new app; nothing runs yet.
    Start,
    /// A removed app.
    Stop,
    /// Another number of the same tasks.
    Scale,
    /// Tasks of a new version replace the old ones.
    Restart,
}

impl Verb {
    /// What happens, in a word.
    pub fn words(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Scale => "scale",
            Self::Restart => "replace",
        }
    }
}

/// One action of a step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Action {
    /// What.
    pub verb: Verb,
    /// To which app.
    pub app: Id,
}

impl Action {
    /// As in deployments and events.
    pub fn render(&self) -> Value {
        json!({ "action": format!("{:?}Application", self.verb), "app": self.app.as_str() })
    }
}

/// The steps that lead from one tree to the other; actions of a step may run side by side.
pub fn steps(from: &Tree, to: &Tree) -> Vec<Vec<Action>> {
    let action = |verb: Verb, app: &App| Action {
        verb,
        app: app.id.clone(),
    };
    let gone = from
        .apps
        .values()
        .filter(|a| !to.apps.contains_key(&a.id))
        .map(|a| action(Verb::Stop, a));
    let new = to
        .apps
        .values()
        .filter(|a| !from.apps.contains_key(&a.id))
        .map(|a| action(Verb::Start, a));
    let mut steps: Vec<Vec<Action>> = vec![gone.collect(), new.collect()];
    let depths = to.depths().unwrap_or_default();
    let mut levels: BTreeMap<usize, Vec<Action>> = BTreeMap::new();
    for app in to.apps.values() {
        if let Some(verb) = verb(from.apps.get(&app.id).map(AsRef::as_ref), app) {
            levels
                .entry(depths.get(&app.id).copied().unwrap_or_default())
                .or_default()
                .push(action(verb, app));
        }
    }
    steps.extend(levels.into_values());
    steps.retain(|step| !step.is_empty());
    steps
}

fn verb(old: Option<&App>, new: &App) -> Option<Verb> {
    let Some(old) = old else {
        return Some(Verb::Scale);
    };
    if old.version == new.version {
        return None;
    }
    let scaled = old.instances() != new.instances() && old.same_config(new);
    Some(if scaled || new.instances() == 0 {
        Verb::Scale
    } else {
        Verb::Restart
    })
}
