//! What stands above a page: who looks, and what has to be said first.

use super::Web;
use super::html::{Banner, Chrome};
use crate::access::Person;
use crate::history::App;
use crate::pulse::OLD;

impl Web {
    /// What surrounds every page: who looks, and what has to be said on all of them.
    pub(super) fn chrome(&self, person: Option<Person>, path: &str) -> Chrome {
        let mut banners = Vec::new();
        if self.plain_login {
            let text = "Tokens are taken on plain HTTP (DPLOY_OBSERVER_ALLOW_PLAIN_LOGIN): anybody on the way can read them.";
            banners.push(Banner {
                level: "warn",
                text: text.to_owned(),
                link: None,
            });
        }
        if self.self_signed && person.is_some() {
            let text = "The certificate of this observer vouches for itself alone: browsers warn until they are told to trust it, and GitHub delivers without checking it.";
            banners.push(Banner {
                level: "info",
                text: text.to_owned(),
                link: None,
            });
        }
        if !self.context.github.has_token() {
            let text = "There is no GitHub token: webhooks cannot be registered. Set DPLOY_OBSERVER_GITHUB_PAT or put it into .pat.";
            banners.push(Banner {
                level: "error",
                text: text.to_owned(),
                link: None,
            });
        }
        Chrome {
            person,
            banners,
            now: self.context.clock.now(),
            path: path.to_owned(),
            live: None,
            did: None,
            trial: None,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// What is said where Marathon does not show what runs, or did so long ago.
    pub(super) fn silence(&self, seen_at: Option<&str>) -> Option<Banner> {
        let seen: Option<jiff::Timestamp> = seen_at.and_then(|at| at.parse().ok());
        let age = seen.map(|at| self.context.clock.now().duration_since(at).as_secs());
        if age.is_some_and(|age| age < OLD) {
            return None;
        }
        let silence = self.context.marathon.silence();
        let shown = age.map_or_else(
            || "what runs is not known".to_owned(),
            |age| format!("what runs is shown as it was {age} s ago"),
        );
        Some(Banner {
            level: "warn",
            text: format!("{silence}; {shown}."),
            link: None,
        })
    }

    /// Banners about one app: its hook, GitHub's silence.
    /// What the overview says of webhooks that do not work: one sentence, however many they are.
    pub(super) fn hooks_banner(&self, apps: &[App]) -> Option<Banner> {
        let mut failing = apps
            .iter()
            .filter_map(|app| Some((&app.id, app.hook.failure.as_ref()?)));
        let (first, failure) = failing.next()?;
        let whose = match failing.count() {
            0 => format!("The webhook of {first} does not work"),
            1 => format!("The webhooks of {first} and of another app do not work"),
            more => format!("The webhooks of {first} and of {more} other apps do not work"),
        };
        let text = format!(
            "{whose}: {} Polling every {} s goes on.",
            failure.sentence, self.poll_seconds
        );
        Some(Banner {
            level: "error",
            text,
            link: Some((format!("/apps/{first}/hook"), format!("Webhook of {first}"))),
        })
    }

    pub(super) async fn app_banners(&self, app: &App) -> Vec<Banner> {
        let mut banners = Vec::new();
        let link = Some((format!("/apps/{}/hook", app.id), "Webhook".to_owned()));
        if let Some(failure) = &app.hook.failure {
            let text = format!(
                "The webhook does not work: {} Polling every {} s goes on.",
                failure.sentence, self.poll_seconds
            );
            banners.push(Banner {
                level: "error",
                text,
                link: link.clone(),
            });
        }
        if let Ok(Some((trouble, at))) = self.context.store.observed(&app.id, "trouble").await
            && !trouble.is_empty()
        {
            let text = format!("The branch could not be asked at {at}: {trouble}");
            banners.push(Banner {
                level: "warn",
                text,
                link,
            });
        }
        banners
    }
}
