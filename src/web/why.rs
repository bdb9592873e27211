//! Why a commit is live, or is not: the answer first, and then all that is known of it.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use super::Web;
use super::error::Failure;
use super::html::{self, Verdict, WhyLine};
use super::negotiate::{respond, wants};
use super::people::Viewer;
use crate::api::{ProblemCode, VerdictBody, WhyBody, WhyLineBody};
use crate::history::{App, Deploy, DeployState};
use crate::id::{AppId, CommitId, DeployNumber};
use crate::store::PushRow;

/// Why a commit is, or is not, live.
pub(super) async fn explain_commit(
    State(web): State<Web>,
    viewer: Viewer,
    Path(sha): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let text = sha
        .strip_suffix(".json")
        .unwrap_or(&sha)
        .to_ascii_lowercase();
    if text.len() < 4 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::unprocessable(
            ProblemCode::Invalid,
            format!("{text:?} is no commit: 4 to 64 hexadecimal digits"),
        ));
    }
    let mut lines: Vec<WhyLine> = Vec::new();
    let pushes = web.context.store.pushes_of(&text).await?;
    let deploys = web.context.store.deploys_anywhere(&text).await?;
    let named = pushes.iter().map(|p| &p.app);
    let named: BTreeSet<&AppId> = named.chain(deploys.iter().map(|(app, _)| app)).collect();
    let mut apps = BTreeMap::new();
    for id in named {
        let app = web.context.store.app(id).await?;
        if let Some(app) = app.filter(|app| web.shows(&viewer, app)) {
            apps.insert(id.clone(), app);
        }
    }
    // a few digits may be the beginning of several
    let commits = pushes.iter().map(|p| &p.push.after);
    let commits = commits.chain(deploys.iter().map(|(_, d)| &d.wanted.commit));
    let commits: BTreeSet<CommitId> = commits.cloned().collect();
    let mut verdicts = Vec::new();
    for commit in &commits {
        for app in apps.values() {
            let of_it = |id: &AppId, d: &Deploy| *id == app.id && d.wanted.commit == *commit;
            let deploy = deploys.iter().find(|(id, d)| of_it(id, d));
            let is_it = |p: &&PushRow| p.app == app.id && p.push.after == *commit;
            let push = pushes.iter().find(is_it);
            if deploy.is_some() || push.is_some() {
                verdicts.push(verdict(app, commit, deploy.map(|(_, d)| d), push));
            }
        }
    }
    for push in pushes {
        let Some(app) = apps.get(&push.app) else {
            continue;
        };
        let outcome = push.outcome.as_deref().unwrap_or("recorded");
        let sentence = format!(
            "{} came by {} and was {outcome}",
            push.push.after.short(),
            push.push.via.word()
        );
        let live = app.live.as_ref();
        let live = live.is_some_and(|l| l.commit == push.push.after);
        lines.push(WhyLine {
            app: push.app.to_string(),
            at: push.at,
            sentence,
            deploy: None,
            live,
        });
    }
    for (id, deploy) in deploys {
        let Some(app) = apps.get(&id).filter(|app| !app.destroyed) else {
            continue;
        };
        let live = app.live.as_ref().is_some_and(|l| l.deploy == deploy.number);
        let end = deploy
            .sentence
            .as_deref()
            .or(deploy.waiting.as_ref().map(|w| w.sentence.as_str()))
            .unwrap_or_default();
        let sentence = format!(
            "deploy {} ({}) {}: {end}",
            deploy.number,
            deploy.wanted.cause.word(),
            deploy.state().word()
        );
        lines.push(WhyLine {
            app: id.to_string(),
            at: deploy.ended_at.unwrap_or(deploy.queued_at),
            sentence,
            deploy: Some(deploy.number.0),
            live,
        });
    }
    lines.sort_by(|a, b| b.at.cmp(&a.at));
    let chrome = web.chrome(viewer.person, &format!("/why/{text}"));
    let body = WhyBody {
        commit: text.clone(),
        apps: verdicts.iter().map(verdict_body).collect(),
        lines: lines.iter().map(why_body).collect(),
    };
    Ok(respond(wants(&uri, &headers), &body, || {
        html::why(&chrome, &text, &verdicts, &lines)
    }))
}

fn why_body(line: &WhyLine) -> WhyLineBody {
    WhyLineBody {
        app: line.app.clone(),
        at: line.at.clone(),
        sentence: line.sentence.clone(),
        deploy: line.deploy,
        live: line.live,
    }
}

fn verdict_body(verdict: &Verdict) -> VerdictBody {
    VerdictBody {
        app: verdict.app.clone(),
        live: verdict.live,
        sentence: verdict.sentence.clone(),
    }
}

/// What there is to say of a commit in one app, and what to do about it; `deploy` is its newest.
fn verdict(
    app: &App,
    commit: &CommitId,
    deploy: Option<&Deploy>,
    push: Option<&PushRow>,
) -> Verdict {
    let (id, short) = (&app.id, commit.short());
    let live = app.live.as_ref().filter(|l| l.commit == *commit);
    let see = |number: DeployNumber, word: &str| {
        let page = format!("/apps/{id}/deploys/{}", number.0);
        Some((page, format!("{word} {number}")))
    };
    let (sentence, step) = if app.destroyed {
        (format!("{short} is not live: {id} is gone."), None)
    } else if let Some(live) = live {
        let said = format!("{short} is live in {id}, by deploy {}.", live.deploy);
        (said, see(live.deploy, "See"))
    } else if let Some(deploy) = app.running.as_ref().filter(|d| d.wanted.commit == *commit) {
        let waits = deploy.waiting.as_ref();
        let waits = waits.map_or_else(String::new, |w| format!(" {}", w.sentence));
        let said = format!(
            "{short} is being deployed now, as {}.{waits}",
            deploy.number
        );
        (said, see(deploy.number, "Watch"))
    } else if let Some(deploy) = app.waiting.as_ref().filter(|d| d.wanted.commit == *commit) {
        let said = format!(
            "{short} is next in {id}: {} waits for the deploy before it.",
            deploy.number
        );
        (said, see(deploy.number, "Watch"))
    } else if let Some(deploy) = deploy {
        not_live(app, short, deploy)
    } else {
        never_deployed(app, commit, push)
    };
    Verdict {
        app: id.clone(),
        live: live.is_some() && !app.destroyed,
        open: step
            .as_ref()
            .is_some_and(|(page, _)| page.contains("/deploys/")),
        sentence,
        step,
    }
}

/// What somebody presses, and where that leads.
type Next = Option<(String, String)>;

/// Of a commit that was pushed and is not deployed: the gate that holds it, as long as nothing came after it.
fn never_deployed(app: &App, commit: &CommitId, push: Option<&PushRow>) -> (String, Next) {
    let (id, short) = (&app.id, commit.short());
    let came = push.and_then(|p| p.outcome.clone());
    let came = came.unwrap_or_else(|| "recorded, and nothing more".to_owned());
    let head = app.head.as_ref();
    if let Some(later) = head.filter(|head| head.commit != *commit) {
        let later = later.commit.short();
        let said =
            format!("{short} is not live in {id}: it was {came}, and {later} came after it.");
        return (said, None);
    }
    let said = format!("{short} is not live in {id}: it was {came}.");
    let page = |act: &str, label: &str| Some((format!("/apps/{id}/{act}"), label.to_owned()));
    let step = if app.lock.is_some() {
        page("unlock", "Unlock…")
    } else if app.pin.is_some() {
        page("resume", "Follow the branch again…")
    } else {
        None
    };
    (said, step)
}

/// Of a commit that was deployed and is not what the app is at.
fn not_live(app: &App, short: &str, deploy: &Deploy) -> (String, Next) {
    let (id, number) = (&app.id, deploy.number);
    let only = deploy.wanted.only.as_ref();
    let service = only.map_or_else(String::new, |only| {
        let only = percent_encoding::utf8_percent_encode(
            only.as_str(),
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("&service={only}")
    });
    let to = |act: &str| format!("/apps/{id}/{act}?deploy={}{service}", number.0);
    let live = app.live.as_ref();
    let now = live.map_or_else(
        || "nothing is live".to_owned(),
        |l| format!("{} is live, by {}", l.commit.short(), l.deploy),
    );
    match deploy.state() {
        state @ (DeployState::Failed | DeployState::Cancelled) => {
            let why = deploy.failure.as_ref().map(|f| f.sentence.as_str());
            let why = why.unwrap_or_default();
            let said = format!(
                "{short} is not live in {id}: {number} {}: {why}; {now}.",
                state.word()
            );
            (said, Some((to("redeploy"), format!("Try {number} again…"))))
        }
        DeployState::Superseded => {
            let by = deploy.superseded_by.as_ref();
            let by = by.map_or_else(String::new, |by| format!(" by {}", by.commit.short()));
            let said = format!(
                "{short} is not live in {id}: {number} was overtaken{by} before it touched Marathon; {now}."
            );
            (said, Some((to("rollback"), "Deploy it anyway…".to_owned())))
        }
        _ => {
            let said = match only {
                Some(only) => format!(
                    "{short} was deployed to {only} alone, by {number}; of the whole of {id} {now}."
                ),
                None => {
                    format!("{short} is not live in {id} any more: it was, by {number}; {now}.")
                }
            };
            (
                said,
                Some((to("rollback"), format!("Roll back to {number}…"))),
            )
        }
    }
}
