//! What all parts of the local GitHub share, and what is true of the server as a whole.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;

use super::clock;
use super::fault::Faults;
use super::git::{Git, is_ref_name};
use super::hook::sender::Sender;
use super::render::Links;
use super::state::Repository;
use super::store::Store;

/// A personal access token that the local GitHub accepts.
#[derive(Clone)]
pub struct Token {
    /// What the client sends.
    pub value: String,
    /// Whose it is; pushes and statuses with it carry this name.
    pub login: String,
    /// As GitHub writes them, for example `repo, admin:repo_hook`.
    pub scopes: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("login", &self.login)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Whether one of these scopes was granted.
    pub(super) fn may(&self, accepted: &[&str]) -> bool {
        let mut granted = self.scopes.split(',').map(str::trim);
        granted.any(|scope| accepted.contains(&scope))
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// A hook that has not answered by then has failed.
    pub hook_timeout: Duration,
    /// How far off `x-ratelimit-reset` is while the fault `rate_limited` is on.
    pub limit_reset: Duration,
    /// How many requests an hour somebody with a token has.
    pub requests_an_hour: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            hook_timeout: Duration::from_secs(10),
            limit_reset: Duration::from_mins(1),
            requests_an_hour: 5000,
        }
    }
}

/// Refs whose last move is remembered. Only reads right after a move lag.
const MOVES: usize = 1000;

/// Shared by all requests.
#[derive(Debug)]
pub struct Server {
    pub dir: PathBuf,
    pub url: String,
    /// What payloads call this server.
    pub links: Links,
    pub tokens: Vec<Token>,
    pub pace: Pace,
    pub store: Arc<Store>,
    pub faults: Arc<Faults>,
    pub sender: Arc<Sender>,
    /// One repository is made at a time: git would fail on a folder that it is making already.
    making: tokio::sync::Mutex<()>,
    pushing: Turns,
    moves: Mutex<Moves>,
}

/// One push at a time per repository. There is an entry where somebody pushes.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<u64, Arc<tokio::sync::Mutex<()>>>>);

impl Turns {
    fn of(&self, repository: u64) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = lock(&self.0);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(repository).or_default())
    }
}

/// The last moves of refs, for the fault `lag`; oldest first.
#[derive(Debug, Default)]
struct Moves(VecDeque<Move>);

impl Moves {
    fn push(&mut self, new: Move) {
        self.0
            .retain(|old| (old.repository, &old.name) != (new.repository, &new.name));
        self.0.push_back(new);
        if self.0.len() > MOVES {
            self.0.pop_front();
        }
    }

    fn of(&self, repository: u64) -> impl Iterator<Item = &Move> {
        let own = move |known: &&Move| known.repository == repository;
        self.0.iter().filter(own)
    }
}

/// A ref that moved.
#[derive(Debug, Clone)]
pub struct Move {
    pub repository: u64,
    pub name: String,
    pub before: Option<String>,
    pub after: String,
    pub tree: Option<String>,
}

impl Server {
    pub fn new(
        dir: PathBuf,
        url: String,
        tokens: Vec<Token>,
        pace: Pace,
        store: Arc<Store>,
        faults: Arc<Faults>,
        sender: Arc<Sender>,
    ) -> Self {
        Self {
            dir,
            links: Links::new(&url),
            url,
            tokens,
            pace,
            store,
            faults,
            sender,
            making: tokio::sync::Mutex::default(),
            pushing: Turns::default(),
            moves: Mutex::default(),
        }
    }

    /// The bare repository of a record.
    pub fn git(&self, repository: &Repository) -> Git {
        Git::new(repository.folder(&self.dir))
    }

    /// Makes a repository, or finds it. Answers its id, and whether it is new.
    ///
    /// # Errors
    /// When a name is not one GitHub would take, git fails, or it cannot be saved.
    pub async fn create_repository(
        &self,
        owner: &str,
        name: &str,
        default_branch: &str,
    ) -> anyhow::Result<(u64, bool)> {
        ensure!(is_owner(owner), "{owner:?} is no name of an owner");
        ensure!(
            is_repository_name(name),
            "{name:?} is no name of a repository"
        );
        ensure!(
            is_ref_name(default_branch),
            "{default_branch:?} is no name of a branch"
        );
        let _turn = self.making.lock().await;
        let found = self
            .store
            .read(|world| Some(world.repository(owner, name)?.id));
        if let Some(id) = found {
            // perhaps it was made a moment ago and could not be saved
            self.store.durable().await?;
            return Ok((id, false));
        }
        let mut repository = Repository::new(owner, name, default_branch, clock::now());
        let dir = repository.folder(&self.dir);
        Git::init(dir, default_branch)
            .await
            .context("making the bare repository")?;
        let id = self.store.change(|world| {
            repository.id = world.new_id();
            let id = repository.id;
            world.repositories.push(repository);
            id
        });
        self.store.durable().await?;
        Ok((id, true))
    }

    /// The turn to push to a repository.
    pub fn turn(&self, repository: u64) -> Arc<tokio::sync::Mutex<()>> {
        self.pushing.of(repository)
    }

    /// Remembers a move, so that reads can lag behind it.
    pub fn moved(&self, how: Move) {
        lock(&self.moves).push(how);
    }

    /// The head of a ref as a replica shows it that may lag (the fault `lag`).
    pub fn head(&self, repository: u64, name: &str, real: &str) -> Option<String> {
        let last = {
            let moves = lock(&self.moves);
            let mut own = moves.of(repository);
            own.find(|last| last.name == name).cloned()
        };
        match last {
            Some(last) if last.after == real && self.faults.take_lag() => last.before,
            _ => Some(real.to_owned()),
        }
    }

    /// Whether a replica that lags does not have this object yet.
    pub fn is_missing(&self, repository: u64, sha: &str) -> bool {
        let fresh = lock(&self.moves)
            .of(repository)
            .any(|last| last.after == sha || last.tree.as_deref() == Some(sha));
        fresh && self.faults.take_lag()
    }

    /// Whom an `Authorization` header names: `Bearer`, `token`, or a password of `Basic`.
    pub fn token(&self, authorization: &str) -> Option<&Token> {
        let (scheme, value) = authorization.split_once(' ')?;
        let value = if scheme.eq_ignore_ascii_case("basic") {
            let decoded = base64::engine::general_purpose::STANDARD
                .decode(value.trim())
                .ok()?;
            let pair = String::from_utf8(decoded).ok()?;
            pair.split_once(':')?.1.to_owned()
        } else {
            value.trim().to_owned()
        };
        self.tokens.iter().find(|token| token.value == value)
    }
}

/// Paths of this server begin so.
const RESERVED: &[&str] = &[
    "api",
    "local",
    "meta",
    "orgs",
    "raw",
    "repos",
    "repositories",
    "user",
    "users",
];

fn is_owner(name: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let taken = RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word));
    !taken && (1..=39).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(sound)
}

/// Whether GitHub would take this as the name of a repository.
pub fn is_repository_name(name: &str) -> bool {
    let sound = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=100).contains(&name.len())
        && name.bytes().all(sound)
        && !matches!(name, "." | "..")
        && std::path::Path::new(name)
            .extension()
            .is_none_or(|e| e != "git")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_moves_the_youngest_are_remembered_each_ref_once() {
        let mut moves = Moves::default();
        for n in 0..MOVES + 2 {
            for after in ["a", "b"] {
                moves.push(Move {
                    repository: 1,
                    name: n.to_string(),
                    before: None,
                    after: after.to_owned(),
                    tree: None,
                });
            }
        }
        let names: Vec<&str> = moves.of(1).map(|known| known.name.as_str()).collect();
        assert_eq!((names.len(), names[0]), (MOVES, "2"));
        assert!(moves.of(1).all(|known| known.after == "b"));
    }

    #[test]
    fn a_turn_is_kept_as_long_as_somebody_has_it() {
        let turns = Turns::default();
        let held = turns.of(1);
        for repository in 2..100 {
            turns.of(repository);
        }
        assert!(Arc::ptr_eq(&held, &turns.of(1)));
        assert_eq!(lock(&turns.0).len(), 1);
    }
}
