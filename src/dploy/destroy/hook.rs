//! The webhook's part of a destroy: of the repository's hooks, those that this app's observer made.

use super::{Hook, Report, Task, Traces, host};
use crate::api::ProblemCode;
use crate::client::Client;
use crate::dploy::session::{Github, LABEL, launched_for};
use crate::event::Visibility;
use crate::github::{HookState, Repository};
use crate::marathon::LiveApp;

impl Task<'_> {
    pub(super) async fn hooks(&self, github: &Github, traces: &Traces, report: &mut Report) {
        let site = match github.api.as_str() {
            "https://api.github.com" => "https://github.com",
            api => api.trim_end_matches("/api/v3"),
        };
        let page = format!("{site}/{}/settings/hooks", github.name);
        let unseen = |why: &str, way: &str| {
            let what = format!("perhaps the webhook of {}: {why}", github.name);
            (what, format!("{way}, or see {page}"))
        };
        let listed = async {
            let repository = github.client.repository(&github.name).await?;
            let hooks = github.client.hooks(repository.id).await?;
            Ok::<_, crate::github::GithubError>((repository, hooks))
        };
        let (what, way) = match (&github.token, traces.hook == Hook::Gone) {
            // the observer has looked
            (None, true) => return,
            (None, false) if traces.hosts.is_empty() => return,
            (None, false) => unseen(
                "there is no .pat to look with",
                "put a GitHub token into .pat and run `dploy destroy -yes` again",
            ),
            (Some(_), gone) => match listed.await {
                Ok((repository, hooks)) => {
                    for hook in &hooks {
                        self.hook(github, &repository, hook, traces, report).await;
                    }
                    return;
                }
                Err(_) if gone => return,
                Err(error) => unseen(&error.to_string(), "run `dploy destroy -yes` again"),
            },
        };
        report.left(what, way);
    }

    /// A hook that is this observer's goes; of another observer's one is told.
    async fn hook(
        &self,
        github: &Github,
        repository: &Repository,
        hook: &HookState,
        traces: &Traces,
        report: &mut Report,
    ) {
        let Some(base) = hook.url().strip_suffix("/dploy") else {
            return;
        };
        let named = format!("the webhook {} of {}", hook.id, github.name);
        let ours = host(base).is_some_and(|h| traces.hosts.contains(&h));
        if !ours {
            let note = format!("{named} calls another observer, at {base}: it stays");
            return self.session.terminal.note(note);
        }
        let stays = |why: &str| {
            let note = format!("{named} {why}, at {base}: it stays");
            self.session.terminal.note(note);
        };
        if !hook.has_secret() {
            return stays("is not of this observer, which signs its own");
        }
        if base != traces.url {
            if self.is_anothers(base, hook.id, repository).await {
                return stays("calls another observer of this node");
            }
            // it may be down for a moment
            if let Some(other) = self.another_in_marathon(traces).await {
                return stays(&format!("may be that of the observer {other}"));
            }
        }
        let pat = match self.session.global.pat {
            Some(_) => "$DPLOY_OBSERVER_GITHUB_PAT".to_owned(),
            None => format!("$(cat '{}')", self.session.folder.join(".pat").display()),
        };
        let way = format!(
            "curl -fsS -X DELETE -H \"Authorization: Bearer {pat}\" '{}/repos/{}/hooks/{}'",
            github.api, github.name, hook.id
        );
        if traces.hook == Hook::Kept {
            return report.left(format!("{named}, which the observer may need"), way);
        }
        match github.client.delete_hook(repository.id, hook.id).await {
            Ok(()) => report.done(format!("{named} was removed")),
            Err(error) => report.left(format!("{named} ({error})"), way),
        }
    }

    /// An observer in Marathon, beside the one of this destroy, that was launched for the same repository. What Marathon does not
    /// say now is not taken for none.
    async fn another_in_marathon(&self, traces: &Traces) -> Option<String> {
        let listed = match self.marathon.client.apps_labelled(LABEL, "true").await {
            Ok(listed) => listed,
            Err(error) => return Some(format!("that nobody could look for ({error})")),
        };
        let is_another = |app: &&LiveApp| {
            let own = traces.id.as_ref().is_some_and(|id| app.id == id.as_str());
            !own && launched_for(app).is_some_and(|(repository, _)| self.is_ours(&repository))
        };
        let other = listed.iter().find(is_another);
        other.map(|app| app.id.clone())
    }

    /// Whether an observer lives there that calls this hook its own. Our own is gone by now, and its port may be given out
    /// again: that somebody answers says nothing.
    async fn is_anothers(&self, base: &str, hook: u64, repository: &Repository) -> bool {
        let Ok(client) = Client::new(base, None, self.session.timeout()) else {
            return false;
        };
        if !client.is_alive().await {
            return false;
        }
        // of a private repository it shows nothing to strangers
        if repository.visibility != Visibility::Public {
            return true;
        }
        let apps = match client.apps().await {
            Ok(body) => body.apps,
            Err(error) => return error.is(ProblemCode::Login),
        };
        for app in apps.iter().filter(|a| self.is_ours(&a.source.repository)) {
            let seen = client.hook(&app.app).await;
            if seen.is_ok_and(|h| h.id == Some(hook)) {
                return true;
            }
        }
        false
    }
}
