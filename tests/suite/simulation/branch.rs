//! What stands on the branch of an app, and what a commit makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::github::{Commit, Github};
use super::story::{AppShape, Behaviour, Change, ServiceShape};

/// A service as a commit wants it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Wanted {
    pub shape: ServiceShape,
    pub behaviour: Behaviour,
    pub version: u32,
}

impl Wanted {
    /// Its command.
    pub fn cmd(&self) -> String {
        format!("{} {}", self.behaviour.word(), self.version)
    }

    fn spec(&self) -> Value {
        let shape = &self.shape;
        let cpus = if self.behaviour == Behaviour::Never {
            9999.0
        } else {
            0.01
        };
        let mut spec = json!({
            "id": shape.id, "cmd": self.cmd(), "instances": shape.instances, "cpus": cpus, "mem": 16,
            "portDefinitions": [{"port": 0, "protocol": "tcp"}],
            "upgradeStrategy": {"minimumHealthCapacity": shape.strategy.0, "maximumOverCapacity": shape.strategy.1},
        });
        if shape.checked {
            spec["healthChecks"] = json!([{
                "protocol": "HTTP", "path": "/", "portIndex": 0, "gracePeriodSeconds": 15, "intervalSeconds": 1,
                "timeoutSeconds": 1, "maxConsecutiveFailures": 3,
            }]);
        }
        if let Some(needs) = &shape.needs {
            spec["dependencies"] = json!([needs]);
        }
        spec
    }
}

/// The branch of an app.
#[derive(Clone, Serialize, Deserialize)]
pub struct Branch {
    pub shape: AppShape,
    services: Vec<Option<Wanted>>,
    version: u32,
    pub commits: Vec<String>,
}

/// What each readable commit wants, by commit.
pub type Contents = BTreeMap<String, Vec<Wanted>>;

impl Branch {
    pub fn new(shape: &AppShape) -> Self {
        let services = shape.services.iter().map(|s| {
            Some(Wanted {
                shape: s.clone(),
                behaviour: Behaviour::Well,
                version: 1,
            })
        });
        Self {
            shape: shape.clone(),
            services: services.collect(),
            version: 1,
            commits: Vec::new(),
        }
    }

    fn behave(&mut self, which: Option<usize>, behaviour: Behaviour) {
        self.version += 1;
        let version = self.version;
        for (n, service) in self.services.iter_mut().enumerate() {
            if which.is_none_or(|w| w == n)
                && let Some(service) = service
            {
                service.behaviour = behaviour;
                service.version = version;
            }
        }
    }

    /// Whether the head is a commit with which everything is well.
    pub fn is_good(&self, contents: &Contents) -> bool {
        let head = self.commits.last().and_then(|c| contents.get(c));
        head.is_some_and(|wanted| {
            wanted.iter().all(|w| {
                let named = self.shape.services.iter().any(|s| s.id == w.shape.id);
                named && matches!(w.behaviour, Behaviour::Well | Behaviour::Slow)
            })
        })
    }

    /// Everything is well from here on, whatever was before.
    pub fn become_good(&mut self) {
        let taken: Vec<ServiceShape> = self.shape.services.clone();
        for (n, service) in self.services.iter_mut().enumerate() {
            let wanted = service.get_or_insert(Wanted {
                shape: taken[n].clone(),
                behaviour: Behaviour::Well,
                version: 1,
            });
            wanted.shape.id.clone_from(&taken[n].id);
        }
        self.behave(None, Behaviour::Well);
    }

    /// Makes the commit of a change; answers it, and whether the branch moved back instead.
    pub fn commit(
        &mut self,
        change: &Change,
        github: &mut Github,
        contents: &mut Contents,
    ) -> String {
        match change {
            Change::Version(behaviour) => self.behave(None, *behaviour),
            Change::One(n, behaviour) => self.behave(Some(*n), *behaviour),
            Change::Readme | Change::Unreadable | Change::TooBig => {}
            Change::Remove(n) => {
                let others = self.services.iter().flatten().count();
                if others > 1
                    && let Some(service) = self.services.get_mut(*n)
                {
                    *service = None;
                }
            }
            Change::AddAll => self.become_good(),
            Change::Instances(n, count) => {
                if let Some(Some(service)) = self.services.get_mut(*n) {
                    service.shape.instances = *count;
                }
            }
            Change::Renames(n, id) => {
                let taken = self.services.iter().flatten().any(|s| s.shape.id == *id);
                if !taken && let Some(Some(service)) = self.services.get_mut(*n) {
                    service.shape.id.clone_from(id);
                    // Marathon refuses what depends on itself
                    service.shape.needs.take_if(|needs| needs == id);
                }
            }
            Change::ForcedBack => {
                if self.commits.len() > 1 {
                    self.commits.pop();
                    let back = self.commits.last().unwrap().clone();
                    self.takes(&back, contents);
                    return back;
                }
            }
            Change::Revert => {
                if let Some(before) = self.commits.iter().rev().nth(1).cloned() {
                    self.takes(&before, contents);
                }
            }
        }
        self.make(change, github, contents)
    }

    /// The services become those of an earlier commit.
    fn takes(&mut self, commit: &str, contents: &Contents) {
        let Some(then) = contents.get(commit) else {
            return;
        };
        for (n, service) in self.services.iter_mut().enumerate() {
            let id = &self.shape.services[n].id;
            *service = then.iter().find(|w| w.shape.id == *id).cloned();
        }
        if self.services.iter().all(Option::is_none) {
            self.become_good();
        }
    }

    fn make(&mut self, change: &Change, github: &mut Github, contents: &mut Contents) -> String {
        let mut files = BTreeMap::new();
        let mut claims = BTreeMap::new();
        let prune = if self.shape.prune {
            "prune: true\n"
        } else {
            ""
        };
        let descriptor = format!(
            "app_name: {}\nmarathon_url: http://marathon:8080\n{prune}",
            self.shape.name
        );
        files.insert("dploy.app".to_owned(), descriptor.into_bytes());
        files.insert(
            "README.md".to_owned(),
            format!("{} {}", self.commits.len(), self.version).into_bytes(),
        );
        let wanted: Vec<Wanted> = self.services.iter().flatten().cloned().collect();
        if self.shape.group {
            let apps: Vec<Value> = wanted.iter().map(Wanted::spec).collect();
            let group = json!({"id": "/", "apps": apps});
            files.insert("specs/all.json".to_owned(), group.to_string().into_bytes());
        } else {
            for (n, service) in wanted.iter().enumerate() {
                files.insert(
                    format!("specs/s{n}.json"),
                    service.spec().to_string().into_bytes(),
                );
            }
        }
        match change {
            Change::Unreadable => {
                files.insert(
                    "specs/zzz.json".to_owned(),
                    b"{\"id\": \"/x\", \n nonsense".to_vec(),
                );
            }
            Change::TooBig => {
                files.insert("specs/zzz.json".to_owned(), b"{\"id\": \"/x\"}".to_vec());
                claims.insert("specs/zzz.json".to_owned(), 2 << 20);
            }
            _ => {}
        }
        let readable = !matches!(change, Change::Unreadable | Change::TooBig);
        let commit = github.commit(Commit {
            parent: self.commits.last().cloned(),
            files,
            claims,
        });
        if readable {
            contents.insert(commit.clone(), wanted);
        }
        self.commits.push(commit.clone());
        commit
    }
}
