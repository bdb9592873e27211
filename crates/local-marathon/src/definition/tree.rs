//! The tree of groups and apps, kept flat: every app and every group by its absolute id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::app::App;
use super::id::Id;

/// Everything that is meant to run, at one version.
#[derive(Clone, Debug)]
pub struct Tree {
    /// When it became so.
    pub version: Timestamp,
    /// The apps.
    pub apps: BTreeMap<Id, Arc<App>>,
    /// The groups, the root among them, with the ids they depend on.
    pub groups: BTreeMap<Id, Vec<Id>>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            version: Timestamp::UNIX_EPOCH,
            apps: BTreeMap::new(),
            groups: BTreeMap::from([(Id::root(), Vec::new())]),
        }
    }
}

impl Tree {
    /// Adds or replaces an app and makes the groups above it.
    pub fn put(&mut self, app: App) {
        self.make_groups(&app.id);
        self.apps.insert(app.id.clone(), Arc::new(app));
    }

    /// Makes the groups above `id`.
    pub fn make_groups(&mut self, id: &Id) {
        for group in id.ancestors() {
            self.groups.entry(group).or_default();
        }
    }

    /// Removes a group with all that is in it; the root is only emptied.
    pub fn remove_group(&mut self, group: &Id) {
        self.apps.retain(|id, _| !id.is_below(group));
        self.groups
            .retain(|id, _| id != group && !id.is_below(group));
        self.groups.entry(Id::root()).or_default();
    }

    /// All apps below a group, at any depth.
    pub fn below<'a>(&'a self, group: &'a Id) -> impl Iterator<Item = &'a Arc<App>> {
        self.apps.values().filter(move |app| app.id.is_below(group))
    }

    /// The apps that `app` waits for: its own dependencies and those of the groups above it.
    pub fn dependencies(&self, app: &App) -> BTreeSet<Id> {
        let inherited = app
            .id
            .ancestors()
            .filter_map(|group| self.groups.get(&group))
            .flatten()
            .cloned();
        let mut found = BTreeSet::new();
        for target in app.dependencies().chain(inherited) {
            if self.apps.contains_key(&target) {
                found.insert(target);
            } else if !app.id.is_below(&target) {
                found.extend(self.below(&target).map(|a| a.id.clone()));
            }
        }
        found
    }

    /// How many apps stand before each app in its longest chain of dependencies; `None` if there is a circle.
    pub fn depths(&self) -> Option<BTreeMap<Id, usize>> {
        let mut depths = BTreeMap::new();
        // how many dependencies of an app have no depth yet, and who waits for an app
        let mut open: BTreeMap<&Id, usize> = BTreeMap::new();
        let mut dependants: BTreeMap<Id, Vec<&Id>> = BTreeMap::new();
        for app in self.apps.values() {
            let mut targets = self.dependencies(app);
            targets.extend(app.dependencies().filter(|id| *id == app.id));
            open.insert(&app.id, targets.len());
            for target in targets {
                dependants.entry(target).or_default().push(&app.id);
            }
        }
        let mut deepest: BTreeMap<&Id, usize> = BTreeMap::new();
        let ready = open.iter().filter(|(_, count)| **count == 0);
        let mut ready: Vec<(&Id, usize)> = ready.map(|(id, _)| (*id, 0)).collect();
        while let Some((id, depth)) = ready.pop() {
            depths.insert(id.clone(), depth);
            for dependant in dependants.get(id).into_iter().flatten() {
                let deepest: &mut usize = deepest.entry(dependant).or_default();
                *deepest = (*deepest).max(depth + 1);
                let count = open.get_mut(dependant)?;
                *count -= 1;
                if *count == 0 {
                    ready.push((dependant, *deepest));
                }
            }
        }
        (depths.len() == self.apps.len()).then_some(depths)
    }

    /// What Marathon refuses about the tree as a whole: the group that it is about, and why.
    pub fn validate(&self) -> Result<(), (Id, &'static str)> {
        if let Some(id) = self.apps.keys().find(|id| self.groups.contains_key(*id)) {
            let error = "Groups and Applications may not have the same identifier.";
            return Err((id.parent().unwrap_or_else(Id::root), error));
        }
        match self.depths() {
            Some(_) => Ok(()),
            None => Err((Id::root(), "Dependency graph has cyclic dependencies.")),
        }
    }

    /// A group as a path of details and as Marathon says it: the root, or a position among all groups.
    pub fn place_of(&self, group: &Id) -> (String, String) {
        if group.is_root() {
            return ("/".to_owned(), "value".to_owned());
        }
        let before = self.groups.keys().filter(|g| !g.is_root() && *g < group);
        let before = before.count();
        (
            format!("/groups({before})"),
            format!("groups [at index {before}]"),
        )
    }

    /// Gives every port 0 a service port: those the app had before, then the lowest free ones from 10000 up.
    pub fn assign_service_ports(&mut self, before: &Self) {
        let ports = |app: &Arc<App>| {
            app.service_ports()
                .into_iter()
                .map(|(p, _)| p)
                .collect::<Vec<_>>()
        };
        let taken: BTreeSet<u64> = self
            .apps
            .values()
            .chain(before.apps.values())
            .flat_map(ports)
            .collect();
        let mut free = (10000..20000).filter(|port| !taken.contains(port));
        for app in self.apps.values_mut() {
            let fixed = ports(app);
            if !fixed.contains(&0) {
                continue;
            }
            let kept = before.apps.get(&app.id).map(ports).unwrap_or_default();
            let mut kept = kept.into_iter().filter(|p| *p != 0 && !fixed.contains(p));
            for port in open_ports(Arc::make_mut(app)) {
                let next = kept.next().or_else(|| free.next()).unwrap_or_default();
                *port = json!(next);
            }
        }
    }
}

/// The service ports of an app that are still 0.
fn open_ports(app: &mut App) -> Vec<&mut Value> {
    let mapped = app.mappings().is_some();
    let (list, key) = if mapped {
        (
            app.body
                .get_mut("container")
                .and_then(|c| c.get_mut("portMappings")),
            "servicePort",
        )
    } else {
        (app.body.get_mut("portDefinitions"), "port")
    };
    let list = list.and_then(Value::as_array_mut).into_iter().flatten();
    list.filter_map(|port| port.get_mut(key))
        .filter(|port| **port == json!(0))
        .collect()
}
