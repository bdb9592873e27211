//! What happens in a story: pushes and their webhooks, operators, strangers, trouble.

use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use dploy_observer::clock::Clock as _;
use dploy_observer::history::Command;
use dploy_observer::id::AppId;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::cluster::Hand;
use super::incarnation::{Kept, TOKENS};
use super::judge::Check;
use super::machine::Machine;
use super::story::{Change, Deed, Told, Trouble, What, Wish};

impl Machine {
    pub(super) fn act(&mut self) {
        let act = self.acts[self.next_act].clone();
        self.next_act += 1;
        self.last_act = self.now();
        self.judge.something_happens();
        self.note(&super::words::act(&act.what, &self.branches));
        match &act.what {
            What::Push { app, change, told } => self.push(*app, change, *told),
            What::Operator { app, by, wish } => self.operate(*app, by, wish),
            What::Stranger { id, deed } => self.stranger(id, *deed),
            What::Trouble { what, seconds } => self.trouble(*what, *seconds),
            What::Kill { away } => self.kill(*away),
            What::Clock { by } => self.outside.clock.step(*by),
        }
    }

    pub(super) fn trouble(&mut self, what: Trouble, seconds: u32) {
        let until = self.now() + Duration::from_secs(seconds.into());
        let mut inside = self.outside.lock();
        if what == Trouble::NewLeader {
            let blind = Duration::from_secs(inside.chance.u64(1..12));
            let now = self.outside.now();
            inside.cluster.new_leader(now, blind);
        }
        inside.trouble.insert(what, until);
        drop(inside);
        if what == Trouble::DiskRefuses {
            self.disk(true);
        }
    }

    /// While the disk refuses, no event can be appended.
    pub(super) fn disk(&mut self, refuses: bool) {
        // while the observer is away, too
        let Kept::File(folder) = &self.kept else {
            return;
        };
        let file = folder.database();
        block_on(async {
            use sqlx::Connection as _;
            let url = format!("sqlite://{}", file.display());
            let Ok(mut conn) = sqlx::SqliteConnection::connect(&url).await else {
                return;
            };
            let statement = if refuses {
                "create trigger if not exists disk_refuses before insert on event begin select raise(abort, 'disk I/O error'); end"
            } else {
                "drop trigger if exists disk_refuses"
            };
            let _ = sqlx::query(statement).execute(&mut conn).await;
            let _ = conn.close().await;
        });
    }

    pub(super) fn push(&mut self, app: usize, change: &Change, told: Told) {
        let now = self.now();
        let branch = &mut self.branches[app];
        let mut inside = self.outside.lock();
        let commit = branch.commit(change, &mut inside.github, &mut self.contents);
        let calls = match told {
            Told::Once => vec![now + Duration::from_millis(300)],
            Told::Twice => vec![
                now + Duration::from_millis(300),
                now + Duration::from_secs(4),
            ],
            Told::Late(seconds) => vec![now + Duration::from_secs(seconds.into())],
            Told::Never => Vec::new(),
        };
        let (repository, name) = (branch.shape.repository, branch.shape.branch.clone());
        inside.github.push(repository, &name, &commit, &calls);
        let ids = self
            .contents
            .get(&commit)
            .into_iter()
            .flatten()
            .map(|w| w.shape.id.clone());
        self.judge.names.extend(ids);
    }

    pub(super) fn deliver(&mut self, n: usize) {
        self.judge.something_happens();
        let delivery = self.outside.lock().github.deliveries.remove(n).unwrap();
        let request = Request::builder()
            .method("POST")
            .uri("/dploy")
            .header("content-type", "application/json")
            .header("x-github-event", delivery.event)
            .header("x-github-delivery", &delivery.guid)
            .header("x-hub-signature-256", &delivery.signature)
            .header(
                "x-github-hook-installation-target-id",
                delivery.repository.to_string(),
            )
            .body(Body::from(delivery.body))
            .unwrap();
        let (status, text) = self.ask(request);
        self.note(&format!(
            "webhook {} -> {status} {}",
            delivery.event,
            text.lines().next().unwrap_or_default()
        ));
        let Some(after) = delivery.after.filter(|_| status == 202) else {
            return;
        };
        let apps = self
            .branches
            .iter()
            .filter(|b| b.shape.repository == delivery.repository);
        let named = apps.filter(|b| text.contains(&format!("of {} ", b.shape.name)));
        let named: Vec<AppId> = named.filter_map(|b| b.shape.name.parse().ok()).collect();
        self.judge
            .acknowledged
            .extend(named.into_iter().map(|a| (a, after.clone())));
    }

    /// Asks the observer; where it is away nobody answers.
    pub(super) fn ask(&mut self, mut request: Request<Body>) -> (u16, String) {
        let peer: std::net::SocketAddr = ([127, 0, 0, 1], 40000).into();
        request.extensions_mut().insert(ConnectInfo(peer));
        let Some(alive) = &self.alive else {
            return (0, String::new());
        };
        let web = alive.web.clone();
        let (status, text) = alive.run(async {
            let answer = web.oneshot(request).await.unwrap();
            let status = answer.status();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 26)
                .await
                .unwrap();
            (status, String::from_utf8_lossy(&bytes).into_owned())
        });
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            self.fail(
                Check::OwnError,
                format!("a request is answered with 500: {text}"),
            );
        }
        (status.as_u16(), text)
    }

    pub(super) fn operate(&mut self, app: usize, by: &str, wish: &Wish) {
        let name = self.branches[app].shape.name.clone();
        let id: AppId = name.parse().unwrap();
        let state = self.judge.apps.get(&id).cloned().flatten();
        self.coverage.wish(wish, state.as_ref());
        let shape = self.branches[app].shape.clone();
        let service = |n: &usize| {
            shape
                .services
                .get(*n)
                .map_or_else(String::new, |s| s.id.clone())
        };
        let back = |n: usize| {
            json!(format!(
                "#{}",
                state
                    .as_ref()
                    .map_or(1, |s| s
                        .last_deploy
                        .0
                        .saturating_sub(u32::try_from(n).unwrap()))
                    .max(1)
            ))
        };
        let reason = json!("because");
        let (path, body) = match wish {
            Wish::Rollback(n) => ("rollback", json!({"to": back(*n), "reason": reason})),
            Wish::RollbackForGood(n) => (
                "rollback",
                json!({"to": back(*n), "reason": reason, "resume": "manual"}),
            ),
            Wish::RollbackOne(s, n) => {
                let path = format!("/apps{}/rollback", service(s));
                return self.post(by, &path, &json!({"to": back(*n), "reason": reason}));
            }
            Wish::Deploy => ("deploy", json!({})),
            Wish::Force => ("deploy", json!({"force": true})),
            Wish::Redeploy => ("redeploy", json!({})),
            Wish::Cancel => ("cancel", json!({"reason": reason})),
            Wish::Resume => ("resume", json!({})),
            Wish::Lock => ("lock", json!({"reason": reason})),
            Wish::LockFor(seconds) => {
                let until = self.outside.clock.now() + Duration::from_secs((*seconds).into());
                ("lock", json!({"reason": reason, "until": until}))
            }
            Wish::Unlock => ("unlock", json!({})),
            Wish::Scale(s, n) => ("scale", json!({"service": service(s), "instances": n})),
            Wish::Adopt => ("adopt", json!({})),
            Wish::Destroy | Wish::DestroyKeeping => {
                return self.destroy(&id, by, *wish == Wish::DestroyKeeping);
            }
            Wish::Register => {
                let repository = format!("acme/r{}", shape.repository);
                return self.post(
                    by,
                    "/apps",
                    &json!({"repository": repository, "branch": shape.branch}),
                );
            }
        };
        if matches!(wish, Wish::Scale(..)) {
            self.scaled = true;
        }
        if *wish == Wish::Force {
            let ids = shape.services.iter().map(|s| s.id.clone());
            let mut inside = self.outside.lock();
            for id in ids {
                inside.cluster.hands.insert(id, Hand::Forced);
            }
        }
        self.post(by, &format!("/apps/{name}/{path}"), &body);
    }

    pub(super) fn post(&mut self, by: &str, path: &str, body: &Value) {
        let token = TOKENS
            .iter()
            .find(|(name, _)| *name == by)
            .map_or("", |(_, token)| *token);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("host", "node:8849")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let (status, text) = self.ask(request);
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = said["detail"]
            .as_str()
            .or(said["result"].as_str())
            .unwrap_or_default()
            .to_owned();
        self.note(&format!("{by} {path} {body} -> {status} {said}"));
    }

    /// The command alone: the route would wait for what the workers do.
    pub(super) fn destroy(&mut self, app: &AppId, by: &str, keep_services: bool) {
        let Some(alive) = &self.alive else { return };
        let log = alive.context.store.log().clone();
        let actor = format!("operator:{by}");
        let answer = alive.run(log.command(
            app,
            &actor,
            None,
            Command::Destroy {
                keep_services,
                override_lock: true,
            },
        ));
        self.note(&format!("{by} destroys {app}: {answer:?}"));
    }

    pub(super) fn stranger(&mut self, id: &str, deed: Deed) {
        let seen = self.outside.lock().cluster.seen(id);
        self.judge.touch(id, self.outside.now());
        self.disturbed = true;
        self.outside.lock().cluster.others_touch(id);
        let path = format!("/v2/apps{id}?force=true");
        let there = seen.is_some();
        match deed {
            Deed::Create if !there => self.marathon(
                "PUT",
                &path,
                &json!({"cmd": "well 0", "instances": 1, "cpus": 0.01, "mem": 16}),
            ),
            Deed::Create => {}
            _ if !there => {}
            Deed::Unlabel => self.marathon("PUT", &path, &json!({"labels": {}})),
            Deed::Relabel => {
                self.marathon("PUT", &path, &json!({"labels": {"DPLOY": "somebody-else"}}));
            }
            Deed::Edit => self.marathon("PUT", &path, &json!({"cmd": "well 99"})),
            Deed::AddEnv => self.marathon("PUT", &path, &json!({"env": {"DEBUG": "1"}})),
            Deed::Scale(instances) => {
                self.scaled = true;
                self.marathon("PUT", &path, &json!({"instances": instances}));
            }
            Deed::Restart => self.marathon(
                "POST",
                &format!("/v2/apps{id}/restart?force=true"),
                &Value::Null,
            ),
            Deed::Delete => self.marathon("DELETE", &path, &Value::Null),
        }
    }

    /// Somebody else calls Marathon.
    pub(super) fn marathon(&mut self, method: &str, path: &str, body: &Value) {
        let (router, before) = {
            let inside = self.outside.lock();
            (inside.cluster.router.clone(), inside.cluster.deployments())
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:8080")
            .header("content-type", "application/json")
            .extension(ConnectInfo(local_marathon::Cut::detached(
                super::cluster::ADDRESS,
            )))
            .body(Body::from(body))
            .unwrap();
        let status = block_on(async { router.oneshot(request).await.unwrap().status() });
        let now = self.now();
        let mut inside = self.outside.lock();
        inside.cluster.pump(now);
        inside.cluster.kills.clear();
        inside.moves(now);
        let begun = inside.cluster.deployments();
        drop(inside);
        self.judge
            .reasons
            .others
            .extend(begun.into_iter().filter(|d| !before.contains(d)));
        self.note(&format!("somebody else: {method} {path} -> {status}"));
    }
}

/// Runs something that waits for nothing.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
