//! A small GitHub: repositories with branches, commits with files, hooks that call.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use dploy_observer::id::BlobId;
use fastrand::Rng;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;

/// A commit: what it holds, and what was before it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Commit {
    pub parent: Option<String>,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Sizes that are claimed of files, where they are not the true ones.
    pub claims: BTreeMap<String, u64>,
}

#[derive(Serialize, Deserialize)]
struct Hook {
    id: u64,
    config: Value,
    active: bool,
    events: Value,
}

#[derive(Default, Serialize, Deserialize)]
struct Repository {
    branches: BTreeMap<String, Vec<String>>,
    hooks: Vec<Hook>,
}

/// A call of a hook that is on its way.
pub struct Delivery {
    pub due: Duration,
    pub repository: u64,
    pub guid: String,
    pub event: &'static str,
    pub body: String,
    pub signature: String,
    /// The commit, where it is a push.
    pub after: Option<String>,
}

/// How the answer to a head is bent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    Right,
    Lag,
    Err,
}

/// What GitHub answers.
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    pub headers: Vec<(&'static str, String)>,
}

pub fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status,
        body: body.to_string().into_bytes(),
        headers: vec![("content-type", "application/json".to_owned())],
    }
}

fn missing() -> Answer {
    answer(404, &json!({"message": "Not Found", "status": "404"}))
}

/// A request as GitHub sees it.
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub etag: Option<&'a str>,
    pub body: &'a Value,
}

#[derive(Serialize, Deserialize)]
pub struct Github {
    repositories: BTreeMap<u64, Repository>,
    pub commits: BTreeMap<String, Commit>,
    #[serde(skip)]
    pub deliveries: VecDeque<Delivery>,
    #[serde(skip)]
    chance: Rng,
    next_hook: u64,
}

impl Github {
    pub fn new(seed: u64) -> Self {
        Self {
            repositories: BTreeMap::new(),
            commits: BTreeMap::new(),
            deliveries: VecDeque::new(),
            chance: Rng::with_seed(seed ^ 0x6769_7468),
            next_hook: 1,
        }
    }

    /// What was kept goes on with this seed.
    pub fn reseed(&mut self, seed: u64) {
        self.chance = Rng::with_seed(seed ^ 0x6769_7468);
    }

    /// The head of a branch.
    pub fn head(&self, repository: u64, branch: &str) -> Option<String> {
        self.repositories
            .get(&repository)?
            .branches
            .get(branch)?
            .last()
            .cloned()
    }

    /// A new commit; it is on no branch yet.
    pub fn commit(&mut self, commit: Commit) -> String {
        let id = format!("{:032x}{:08x}", self.chance.u128(..), self.chance.u32(..));
        self.commits.insert(id.clone(), commit);
        id
    }

    /// A branch moves; whoever has a hook is called at each of these times.
    pub fn push(&mut self, repository: u64, branch: &str, after: &str, calls: &[Duration]) {
        let before = self.head(repository, branch);
        let forced = before.is_some() && self.commits[after].parent != before;
        let moved = self.repositories.entry(repository).or_default();
        moved
            .branches
            .entry(branch.to_owned())
            .or_default()
            .push(after.to_owned());
        let body = json!({
            "ref": format!("refs/heads/{branch}"), "before": before.unwrap_or_else(|| "0".repeat(40)), "after": after,
            "created": false, "deleted": false, "forced": forced,
            "head_commit": {"id": after, "message": "a change", "author": {"name": "Ana"}},
            "repository": {"id": repository, "full_name": format!("acme/r{repository}")},
            "pusher": {"name": "ana"}, "sender": {"login": "ana"},
        });
        let guid = format!("{:032x}", self.chance.u128(..));
        for due in calls {
            self.call(repository, *due, &guid, "push", &body, Some(after));
        }
    }

    fn call(
        &mut self,
        repository: u64,
        due: Duration,
        guid: &str,
        event: &'static str,
        body: &Value,
        after: Option<&str>,
    ) {
        let body = body.to_string();
        let hooks = self
            .repositories
            .get(&repository)
            .into_iter()
            .flat_map(|r| &r.hooks);
        for hook in hooks.filter(|h| h.active) {
            let secret = hook.config["secret"].as_str().unwrap_or_default();
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
            mac.update(body.as_bytes());
            let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
            let guid = guid.to_owned();
            let after = after.map(str::to_owned);
            let body = body.clone();
            self.deliveries.push_back(Delivery {
                due,
                repository,
                guid,
                event,
                body,
                signature,
                after,
            });
        }
    }

    /// Whether a webhook of a repository is left.
    pub fn has_hook(&self, repository: u64) -> bool {
        self.repositories
            .get(&repository)
            .is_some_and(|r| !r.hooks.is_empty())
    }

    /// Answers a request.
    pub fn answer(&mut self, asked: &Asked<'_>, heads: Heads, now: Duration) -> Answer {
        let path = asked.path.trim_start_matches('/');
        let path = path.split('?').next().unwrap_or_default();
        let parts: Vec<&str> = path.split('/').collect();
        if let ["repos", "acme", name] = parts.as_slice() {
            let id = name.trim_start_matches('r').parse().unwrap_or(0);
            return self.repository(id);
        }
        let ["repositories", id, rest @ ..] = parts.as_slice() else {
            return missing();
        };
        let id: u64 = id.parse().unwrap_or(0);
        if !self.repositories.contains_key(&id) {
            return missing();
        }
        match rest {
            [] => self.repository(id),
            ["commits", "heads", branch] => self.head_answer(id, branch, asked.etag, heads),
            ["commits", short] => self.expand(short),
            ["compare", pair] => self.compare(pair),
            ["git", "commits", sha] => self.commit_answer(sha),
            ["git", "trees", tree] => self.tree(tree),
            ["git", "blobs", blob] => self.blob(blob),
            ["hooks", rest @ ..] => self.hook(id, rest, asked, now),
            _ => missing(),
        }
    }

    fn repository(&self, id: u64) -> Answer {
        if !self.repositories.contains_key(&id) {
            return missing();
        }
        answer(
            200,
            &json!({"id": id, "full_name": format!("acme/r{id}"), "private": false}),
        )
    }

    fn head_answer(&self, id: u64, branch: &str, etag: Option<&str>, heads: Heads) -> Answer {
        let history = self.repositories[&id].branches.get(branch);
        let Some(history) = history.filter(|h| !h.is_empty()) else {
            return answer(
                422,
                &json!({"message": format!("No commit found for SHA: heads/{branch}")}),
            );
        };
        let last = history.len() - 1;
        let at = match heads {
            Heads::Right => last,
            Heads::Lag => last.saturating_sub(1),
            Heads::Err => 0,
        };
        let head = &history[at];
        let tag = format!("\"{head}\"");
        if etag == Some(tag.as_str()) {
            return Answer {
                status: 304,
                body: Vec::new(),
                headers: vec![("etag", tag)],
            };
        }
        Answer {
            status: 200,
            body: head.clone().into_bytes(),
            headers: vec![("etag", tag)],
        }
    }

    fn expand(&self, short: &str) -> Answer {
        let mut found = self.commits.keys().filter(|c| c.starts_with(short));
        match (found.next(), found.next()) {
            (Some(one), None) => Answer {
                status: 200,
                body: one.clone().into_bytes(),
                headers: Vec::new(),
            },
            _ => answer(
                422,
                &json!({"message": format!("No commit found for SHA: {short}")}),
            ),
        }
    }

    fn compare(&self, pair: &str) -> Answer {
        let (base, head) = pair.split_once("...").unwrap_or_default();
        let status = if base == head {
            "identical"
        } else if self.is_before(base, head) {
            "ahead"
        } else if self.is_before(head, base) {
            "behind"
        } else {
            "diverged"
        };
        answer(200, &json!({"status": status}))
    }

    fn is_before(&self, ancestor: &str, of: &str) -> bool {
        let mut at = self.commits.get(of).and_then(|c| c.parent.clone());
        while let Some(sha) = at {
            if sha == ancestor {
                return true;
            }
            at = self.commits.get(&sha).and_then(|c| c.parent.clone());
        }
        false
    }

    fn commit_answer(&self, sha: &str) -> Answer {
        if !self.commits.contains_key(sha) {
            return missing();
        }
        // the id of a tree says which commit it is of, and whether it is the root
        let tree = json!({"sha": format!("{sha}-root")});
        answer(
            200,
            &json!({"sha": sha, "tree": tree, "message": "a change", "author": {"name": "Ana"}}),
        )
    }

    fn tree(&self, tree: &str) -> Answer {
        let (sha, which) = tree.split_once('-').unwrap_or_default();
        let Some(commit) = self.commits.get(sha) else {
            return missing();
        };
        let blob = |path: &str, name: &str| {
            let bytes = &commit.files[path];
            let size = commit
                .claims
                .get(path)
                .copied()
                .unwrap_or(bytes.len() as u64);
            json!({"path": name, "mode": "100644", "type": "blob", "sha": BlobId::of(bytes).to_string(), "size": size})
        };
        let entries: Vec<Value> = if which == "root" {
            let plain = commit
                .files
                .keys()
                .filter(|p| !p.contains('/'))
                .map(|p| blob(p, p));
            let specs = json!({"path": "specs", "mode": "040000", "type": "tree", "sha": format!("{sha}-specs")});
            plain.chain([specs]).collect()
        } else {
            let specs = commit
                .files
                .keys()
                .filter_map(|p| Some((p, p.strip_prefix("specs/")?)));
            specs.map(|(path, name)| blob(path, name)).collect()
        };
        answer(
            200,
            &json!({"sha": tree, "tree": entries, "truncated": false}),
        )
    }

    fn blob(&self, blob: &str) -> Answer {
        let files = self.commits.values().flat_map(|c| c.files.values());
        let found = files
            .into_iter()
            .find(|bytes| BlobId::of(bytes).to_string() == blob);
        match found {
            Some(bytes) => Answer {
                status: 200,
                body: bytes.clone(),
                headers: Vec::new(),
            },
            None => missing(),
        }
    }

    fn hook(&mut self, id: u64, rest: &[&str], asked: &Asked<'_>, now: Duration) -> Answer {
        let numbered = rest.first().and_then(|n| n.parse::<u64>().ok());
        let hooks = &mut self.repositories.entry(id).or_default().hooks;
        let found = hooks.iter().position(|h| Some(h.id) == numbered);
        match (asked.method, rest.len(), found) {
            ("GET", 0, _) => {
                let list: Vec<Value> = hooks.iter().map(Hook::shown).collect();
                answer(200, &json!(list))
            }
            ("POST", 0, _) => {
                let url = &asked.body["config"]["url"];
                if hooks.iter().any(|h| h.config["url"] == *url) {
                    let errors = json!([{"message": "Hook already exists on this repository"}]);
                    return answer(
                        422,
                        &json!({"message": "Validation Failed", "errors": errors}),
                    );
                }
                let hook = Hook {
                    id: self.next_hook,
                    config: asked.body["config"].clone(),
                    active: true,
                    events: asked.body["events"].clone(),
                };
                self.next_hook += 1;
                let shown = hook.shown();
                hooks.push(hook);
                let ping = json!({"zen": "Keep it logically awesome.", "hook_id": shown["id"], "repository": {"id": id, "full_name": format!("acme/r{id}")}});
                let guid = format!("{:032x}", self.chance.u128(..));
                self.call(id, now, &guid, "ping", &ping, None);
                answer(201, &shown)
            }
            ("POST", 2, Some(_)) => Answer {
                status: 204,
                body: Vec::new(),
                headers: Vec::new(),
            },
            ("GET", 1, Some(at)) => answer(200, &hooks[at].shown()),
            ("PATCH", _, Some(at)) => {
                let config = if rest.len() == 2 {
                    asked.body
                } else {
                    &asked.body["config"]
                };
                hooks[at].config = config.clone();
                hooks[at].active = true;
                answer(200, &hooks[at].shown())
            }
            ("DELETE", 1, Some(at)) => {
                hooks.remove(at);
                Answer {
                    status: 204,
                    body: Vec::new(),
                    headers: Vec::new(),
                }
            }
            _ => missing(),
        }
    }
}

impl Hook {
    fn shown(&self) -> Value {
        let mut config = self.config.clone();
        config["secret"] = json!("********");
        json!({"id": self.id, "name": "web", "active": self.active, "events": self.events, "config": config})
    }
}
