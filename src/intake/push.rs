//! A signed webhook body becomes a command. Only what is used is parsed (GitHub docs, "Webhook events and payloads", push).

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::event::{CommitInfo, Via};
use crate::history::{Answer, App, Command, Push};
use crate::id::{AppId, CommitId, DeployNumber};
use crate::secret::plain;
use crate::sentence::Sentence;
use crate::store::{Store, StoreError};

/// A push as GitHub sends it, reduced to what is used.
#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "ref")]
    git_ref: String,
    before: String,
    after: String,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    forced: bool,
    #[serde(default)]
    head_commit: Option<HeadCommit>,
    repository: Repository,
    #[serde(default)]
    pusher: Option<Pusher>,
    #[serde(default)]
    sender: Option<Sender>,
}

#[derive(Debug, Deserialize)]
struct HeadCommit {
    id: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    author: Option<Pusher>,
}

#[derive(Debug, Deserialize)]
struct Repository {
    id: u64,
    #[serde(default)]
    full_name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Pusher {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Sender {
    #[serde(default)]
    login: Option<String>,
}

/// What became of a push for one app.
#[derive(Debug)]
pub struct Received {
    /// The app; none where no app follows the branch.
    pub app: Option<AppId>,
    /// The deploy, where there is one.
    pub queued: Option<DeployNumber>,
    /// In words, for the person who reads GitHub's "Recent deliveries".
    pub sentence: String,
}

/// The JSON of a body: as it is, or the `payload` of a form.
///
/// # Errors
/// A sentence, when the form has no payload.
pub fn payload(body: &[u8], form: bool) -> Result<Vec<u8>, String> {
    if !form {
        return Ok(body.to_vec());
    }
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8 text".to_owned())?;
    let value = text
        .split('&')
        .find_map(|pair| pair.strip_prefix("payload="))
        .ok_or("the form has no payload")?;
    Ok(percent_encoding::percent_decode_str(&value.replace('+', " ")).collect())
}

/// The repository a signed body speaks of.
#[derive(Debug, Deserialize)]
struct OnlyRepository {
    repository: Option<Repository>,
}

/// Takes in a signed push. `repository` is the one whose secret signed it.
///
/// # Errors
/// A sentence when it cannot be read (outer), or the store's error (inner).
pub async fn receive(
    store: &Store,
    repository: u64,
    delivery: &str,
    json: &[u8],
    body: &[u8],
) -> Result<Result<Vec<Received>, StoreError>, String> {
    let push: Payload = serde_json::from_slice(json).map_err(|e| unreadable(json, &e))?;
    if push.repository.id != repository {
        return Err(format!(
            "the push is of repository {}, and the secret of {repository} signed it",
            push.repository.id
        ));
    }
    let Some(branch) = push.git_ref.strip_prefix("refs/heads/") else {
        return Ok(Ok(vec![ignored(&format!(
            "{} is not a branch",
            plain(&push.git_ref, 200)
        ))]));
    };
    let zeros = !push.after.is_empty() && push.after.bytes().all(|b| b == b'0');
    if push.deleted || zeros {
        return Ok(Ok(vec![ignored(&format!(
            "the branch {} was deleted; what runs stays",
            plain(branch, 200)
        ))]));
    }
    let after: CommitId = push.after.parse().map_err(|e| format!("after: {e}"))?;
    let apps = match store.apps_of(repository).await {
        Ok(apps) => apps,
        Err(error) => return Ok(Err(error)),
    };
    let mut received = Vec::new();
    for app in apps.iter().filter(|a| a.source.branch.as_str() == branch) {
        match take_in(store, app, delivery, &push, &after, body).await {
            Ok(one) => received.push(one),
            Err(error) => return Ok(Err(error)),
        }
    }
    if received.is_empty() {
        received.push(ignored(&format!(
            "no app follows the branch {}",
            plain(branch, 200)
        )));
    }
    Ok(Ok(received))
}

/// The branch of a push, where it has one.
#[must_use]
pub fn branch(json: &[u8]) -> Option<String> {
    let push: Payload = serde_json::from_slice(json).ok()?;
    push.git_ref.strip_prefix("refs/heads/").map(str::to_owned)
}

/// Why a push cannot be read, with the field.
fn unreadable(json: &[u8], error: &serde_json::Error) -> String {
    let read = &mut serde_json::Deserializer::from_slice(json);
    let field = serde_path_to_error::deserialize::<_, Payload>(read)
        .err()
        .map(|e| e.path().to_string())
        .filter(|path| path != ".")
        .map_or(String::new(), |path| format!("{}: ", plain(&path, 100)));
    format!("the push cannot be read: {field}{error}")
}

fn ignored(why: &str) -> Received {
    Received {
        app: None,
        queued: None,
        sentence: format!("Ignored: {why}."),
    }
}

async fn take_in(
    store: &Store,
    app: &App,
    delivery: &str,
    push: &Payload,
    after: &CommitId,
    body: &[u8],
) -> Result<Received, StoreError> {
    let before: Option<CommitId> = push
        .before
        .parse()
        .ok()
        .filter(|c: &CommitId| !c.as_str().bytes().all(|b| b == b'0'));
    let login = push
        .sender
        .as_ref()
        .and_then(|s| s.login.as_deref())
        .or(push.pusher.as_ref().and_then(|p| p.name.as_deref()));
    let command = Command::Push(Box::new(Push {
        via: Via::Webhook,
        delivery: Some(plain(delivery, 100)),
        git_ref: plain(&push.git_ref, 300),
        before,
        after: after.clone(),
        forced: push.forced,
        info: push
            .head_commit
            .as_ref()
            .filter(|h| h.id == after.as_str())
            .map(info),
        pusher: push
            .pusher
            .as_ref()
            .and_then(|p| p.name.as_deref())
            .map(|n| plain(n, 100)),
        body: Some(hex::encode(Sha256::digest(body))),
        asked_at: None,
    }));
    let actor = format!("github:{}", plain(login.unwrap_or("unknown"), 100));
    let dedup = Some(format!("delivery:{}", plain(delivery, 100)));
    let answer = store.log().command(&app.id, &actor, dedup, command).await;
    let short = after.short();
    let id = &app.id;
    let (queued, sentence) = match answer {
        Ok(Answer::Queued(number)) => (
            Some(number),
            format!("Queued as deploy {number} of {id} ({short})."),
        ),
        Ok(Answer::Held(Sentence { sentence, .. })) => (None, format!("Held: {id} is {sentence}.")),
        Ok(Answer::Done | Answer::Duplicate | Answer::Unchanged) => (
            None,
            format!("Duplicate: {short} of {id} is known already; nothing to do."),
        ),
        Err(StoreError::Refused(why)) => (None, format!("Ignored: {why}.")),
        Err(error) => return Err(error),
    };
    Ok(Received {
        app: Some(id.clone()),
        queued,
        sentence,
    })
}

fn info(head: &HeadCommit) -> CommitInfo {
    CommitInfo {
        message: plain(head.message.lines().next().unwrap_or_default(), 200),
        author: plain(
            head.author
                .as_ref()
                .and_then(|a| a.name.as_deref())
                .unwrap_or_default(),
            100,
        ),
        url: head.url.as_deref().map(|u| plain(u, 300)),
    }
}

/// A ping says that the hook works; a rename shows in the repository it speaks of.
///
/// # Errors
/// A sentence when it cannot be read or speaks of another repository.
pub async fn pinged(
    store: &Store,
    repository: u64,
    delivery: &str,
    hook: Option<u64>,
    json: &[u8],
) -> Result<Result<String, StoreError>, String> {
    let ping: OnlyRepository =
        serde_json::from_slice(json).map_err(|e| format!("the ping cannot be read: {e}"))?;
    let named = ping.repository.as_ref();
    if named.is_some_and(|r| r.id != repository) {
        return Err(format!(
            "the ping is not of repository {repository}, whose secret signed it"
        ));
    }
    let apps = match store.apps_of(repository).await {
        Ok(apps) => apps,
        Err(error) => return Ok(Err(error)),
    };
    for app in &apps {
        let id = hook.or(app.hook.id).unwrap_or(0);
        let fact = crate::event::Fact::HookPinged {
            id,
            delivery: Some(plain(delivery, 100)),
        };
        if let Err(error) = store
            .log()
            .command(
                &app.id,
                "observer",
                Some(format!("delivery:{}", plain(delivery, 100))),
                Command::Note(vec![fact]),
            )
            .await
            && !matches!(error, StoreError::Refused(_))
        {
            return Ok(Err(error));
        }
    }
    let name = named
        .and_then(|r| r.full_name.as_deref())
        .unwrap_or("the repository");
    Ok(Ok(format!(
        "Pong: pushes of {} arrive here.",
        plain(name, 200)
    )))
}
