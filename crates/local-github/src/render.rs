//! The JSON of things that occur in many answers and payloads: users, repositories, hooks, commits.

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::git::object::{Commit, Person};
use super::state::{Hook, HookConfig, Repository};

const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Where links lead. An answer names the server as its caller named it (`localhost`, `/api/v3`), a payload as it names itself.
#[derive(Debug, Clone)]
pub struct Links {
    /// Pages and git.
    pub web: String,
    /// The REST API.
    pub api: String,
}

impl Links {
    /// Those of a server that is called by one URL.
    pub fn new(url: &str) -> Self {
        Self {
            web: url.to_owned(),
            api: url.to_owned(),
        }
    }
}

/// The id of a user: the same for the same name, always.
pub fn user_id(login: &str) -> u32 {
    let digest = Sha256::digest(login.to_lowercase());
    u32::from_be_bytes([digest[0] >> 4, digest[1], digest[2], digest[3]])
}

/// A user, as `owner`, `sender`, `creator` and so on.
pub fn user(links: &Links, login: &str) -> Value {
    let id = user_id(login);
    let url = format!("{}/users/{login}", links.api);
    let mut shown = json!({
        "login": login,
        "id": id,
        "node_id": node_id("User", &id.to_string()),
        "avatar_url": format!("{}/avatars/u/{id}?v=4", links.web),
        "gravatar_id": "",
        "url": url,
        "html_url": format!("{}/{login}", links.web),
        "type": "User",
        "user_view_type": "public",
        "site_admin": false,
    });
    for (name, path) in [
        ("followers_url", "/followers"),
        ("following_url", "/following{/other_user}"),
        ("gists_url", "/gists{/gist_id}"),
        ("starred_url", "/starred{/owner}{/repo}"),
        ("subscriptions_url", "/subscriptions"),
        ("organizations_url", "/orgs"),
        ("repos_url", "/repos"),
        ("events_url", "/events{/privacy}"),
        ("received_events_url", "/received_events"),
    ] {
        shown[name] = format!("{url}{path}").into();
    }
    shown
}

/// The e-mail address GitHub gives to those who keep theirs private.
pub fn email(login: &str) -> String {
    format!("{}+{login}@users.noreply.github.com", user_id(login))
}

/// GitHub's opaque second id.
pub fn node_id(kind: &str, id: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{:03}:{kind}{id}", kind.len()))
}

/// A path or ref as a part of a URL.
pub fn path(path: &str) -> PercentEncode<'_> {
    utf8_percent_encode(path, KEPT)
}

/// Where the REST API has a repository.
pub fn api_url(links: &Links, repository: &Repository) -> String {
    format!("{}/repos/{}", links.api, repository.full_name())
}

/// A repository as the REST API shows it.
pub fn repository(links: &Links, repository: &Repository) -> Value {
    let full_name = repository.full_name();
    let html_url = format!("{}/{full_name}", links.web);
    let url = api_url(links, repository);
    let mut shown = json!({
        "id": repository.id,
        "node_id": node_id("Repository", &repository.id.to_string()),
        "name": repository.name,
        "full_name": full_name,
        "private": repository.private,
        "owner": user(links, &repository.owner),
        "html_url": html_url,
        "description": repository.description,
        "fork": false,
        "url": url,
        "created_at": repository.created_at,
        "updated_at": repository.pushed_at,
        "pushed_at": repository.pushed_at,
        "clone_url": format!("{html_url}.git"),
        "git_url": format!("{html_url}.git"),
        "ssh_url": format!("{html_url}.git"),
        "svn_url": html_url,
        "topics": [],
        "visibility": if repository.private { "private" } else { "public" },
        "default_branch": repository.default_branch,
    });
    for name in ["homepage", "language", "license", "mirror_url"] {
        shown[name] = Value::Null;
    }
    for name in COUNTS {
        shown[*name] = 0.into();
    }
    for name in ABILITIES {
        shown[*name] = false.into();
    }
    for (name, path) in LINKS {
        shown[*name] = format!("{url}{path}").into();
    }
    shown
}

/// What a repository here has none of.
const COUNTS: &[&str] = &[
    "size",
    "stargazers_count",
    "watchers_count",
    "forks_count",
    "open_issues_count",
    "forks",
    "open_issues",
    "watchers",
];

/// What a repository here is not or cannot do.
const ABILITIES: &[&str] = &[
    "archived",
    "disabled",
    "is_template",
    "has_issues",
    "has_projects",
    "has_downloads",
    "has_wiki",
    "has_pages",
    "has_discussions",
    "allow_forking",
    "web_commit_signoff_required",
];

/// Links of a repository, below its own; most lead nowhere here, but payloads have them, and their size.
const LINKS: &[(&str, &str)] = &[
    ("hooks_url", "/hooks"),
    ("branches_url", "/branches{/branch}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("trees_url", "/git/trees{/sha}"),
    ("statuses_url", "/statuses/{sha}"),
    ("commits_url", "/commits{/sha}"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("contents_url", "/contents/{+path}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("forks_url", "/forks"),
    ("keys_url", "/keys{/key_id}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("teams_url", "/teams"),
    ("issue_events_url", "/issues/events{/number}"),
    ("events_url", "/events"),
    ("assignees_url", "/assignees{/user}"),
    ("tags_url", "/tags"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("languages_url", "/languages"),
    ("stargazers_url", "/stargazers"),
    ("contributors_url", "/contributors"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("comments_url", "/comments{/number}"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("merges_url", "/merges"),
    ("archive_url", "/{archive_format}{/ref}"),
    ("downloads_url", "/downloads"),
    ("issues_url", "/issues{/number}"),
    ("pulls_url", "/pulls{/number}"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("labels_url", "/labels{/name}"),
    ("releases_url", "/releases{/id}"),
    ("deployments_url", "/deployments"),
];

/// A repository as push payloads show it: two times are numbers, `url` is the one for people.
pub fn pushed_repository(links: &Links, record: &Repository, pushed_at: Timestamp) -> Value {
    let mut shown = repository(links, record);
    shown["url"] = shown["html_url"].clone();
    shown["created_at"] = record.created_at.as_second().into();
    shown["pushed_at"] = pushed_at.as_second().into();
    shown["owner"]["name"] = record.owner.clone().into();
    shown["owner"]["email"] = email(&record.owner).into();
    shown["stargazers"] = 0.into();
    shown["master_branch"] = record.default_branch.clone().into();
    shown
}

/// A hook's configuration; its secret can never be read back.
pub fn hook_config(config: &HookConfig) -> Value {
    let mut shown = json!({
        "content_type": config.content_type,
        "insecure_ssl": config.insecure_ssl,
        "url": config.url,
    });
    if config.secret.is_some() {
        shown["secret"] = "********".into();
    }
    shown
}

/// A hook, as answers and pings show it.
pub fn hook(links: &Links, record: &Repository, hook: &Hook) -> Value {
    let url = format!("{}/hooks/{}", api_url(links, record), hook.id);
    json!({
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": hook.active,
        "events": hook.events,
        "config": hook_config(&hook.config),
        "updated_at": hook.updated_at,
        "created_at": hook.created_at,
        "url": url,
        "test_url": format!("{url}/test"),
        "ping_url": format!("{url}/pings"),
        "deliveries_url": format!("{url}/deliveries"),
        "last_response": hook.last_response,
    })
}

/// A commit as `GET …/git/commits/{sha}` shows it.
pub fn git_commit(links: &Links, record: &Repository, commit: &Commit) -> Value {
    let url = api_url(links, record);
    let html = format!("{}/{}/commit", links.web, record.full_name());
    let mut shown = bare_commit(&url, commit);
    shown["sha"] = commit.id.clone().into();
    shown["node_id"] = node_id("Commit", &commit.id).into();
    shown["html_url"] = format!("{html}/{}", commit.id).into();
    shown["parents"] = parents(&format!("{url}/git/commits"), &html, commit);
    shown
}

/// A commit as `GET …/commits/{ref}` shows it, without its files.
pub fn commit(links: &Links, record: &Repository, commit: &Commit) -> Value {
    let url = api_url(links, record);
    let html = format!("{}/{}/commit", links.web, record.full_name());
    let mut inner = bare_commit(&url, commit);
    inner["comment_count"] = 0.into();
    json!({
        "sha": commit.id,
        "node_id": node_id("Commit", &commit.id),
        "commit": inner,
        "url": format!("{url}/commits/{}", commit.id),
        "html_url": format!("{html}/{}", commit.id),
        "comments_url": format!("{url}/commits/{}/comments", commit.id),
        "author": account(links, &commit.author),
        "committer": account(links, &commit.committer),
        "parents": parents(&format!("{url}/commits"), &html, commit),
    })
}

fn bare_commit(url: &str, commit: &Commit) -> Value {
    json!({
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": format!("{url}/git/trees/{}", commit.tree)},
        "url": format!("{url}/git/commits/{}", commit.id),
        "verification": unsigned(),
    })
}

fn parents(url: &str, html: &str, commit: &Commit) -> Value {
    let all = commit.parents.iter();
    all.map(
        |id| json!({"sha": id, "url": format!("{url}/{id}"), "html_url": format!("{html}/{id}")}),
    )
    .collect()
}

/// The account with this e-mail address, which is known only where GitHub gave the address out.
fn account(links: &Links, person: &Person) -> Option<Value> {
    login(&person.email).map(|login| user(links, login))
}

/// Whose address this is, if it is one that [`email`] gives.
pub fn login(address: &str) -> Option<&str> {
    let (id, login) = address
        .strip_suffix("@users.noreply.github.com")?
        .split_once('+')?;
    (id == user_id(login).to_string()).then_some(login)
}

/// What is said of a signature where there is none.
pub fn unsigned() -> Value {
    json!({"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null})
}

/// Who made a commit or tag, and when.
pub fn person(person: &Person) -> Value {
    json!({"name": person.name, "email": person.email, "date": person.at})
}
