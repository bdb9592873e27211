//! Composition root: settings in, a running observer out.

mod configured;
mod doors;
mod seek;
mod serve;
mod token;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::doors::Doors;
use crate::announce;
use crate::clock::SharedClock;
use crate::context::{Context, Timing};
use crate::deployer;
use crate::discovery;
use crate::github;
use crate::intake::{Configured, HookKeeper};
use crate::marathon::{self, Credentials};
use crate::mesos::{self, Mesos};
use crate::pulse::Pulse;
use crate::schedule::{Every, Schedule};
use crate::secret::Secret;
use crate::settings::{Settings, Shown};
use crate::store::{OnFatal, Store};
use crate::web::{self, Patience, Proxies, Web};
use crate::witness;

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(10);

/// Something around the routes.
pub type Around = Arc<dyn Fn(axum::Router) -> axum::Router + Send + Sync>;

/// What a start needs beside the settings.
#[derive(Clone)]
pub struct Surroundings {
    /// The settings as they are shown.
    pub shown: BTreeMap<String, Shown>,
    /// The time.
    pub clock: SharedClock,
    /// How long things take; deadline and settle time come from the settings.
    pub timing: Timing,
    /// Time between two comparisons of the webhook.
    pub hooks_every: Duration,
    /// Whether the lines of the first release are said on standard output.
    pub greets: bool,
    /// What the pages say there is to try; nothing but in the local world.
    pub trial: Option<Arc<web::html::Trial>>,
    /// What stands around the routes; nothing, in the program.
    pub around: Around,
    /// Called when the log's state on the disk is not known any more.
    pub on_fatal: OnFatal,
}

impl Surroundings {
    /// As the program runs them.
    #[must_use]
    pub fn usual(settings: &Settings, shown: BTreeMap<String, Shown>) -> Self {
        Self {
            shown,
            clock: crate::clock::system(),
            timing: Timing {
                http: settings.patience(),
                ..Timing::default()
            },
            hooks_every: Duration::from_mins(10),
            greets: true,
            trial: None,
            around: Arc::new(|routes| routes),
            on_fatal: Arc::new(|why| {
                tracing::error!("{why}");
                eprintln!("observer: {why}");
                std::process::exit(70);
            }),
        }
    }
}

/// A running observer.
pub struct Observer {
    /// Where it is reached.
    pub url: String,
    /// The log.
    pub store: Store,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Observer {
    /// Stops taking work, finishes what is under way, and closes the log.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP, self.tasks.wait()).await.is_err() {
            tracing::warn!("some work did not stop in time; it goes on at the next start");
        }
        self.store.close().await;
    }
}

/// Runs until `shutdown`.
///
/// # Errors
/// When the observer cannot start.
pub async fn run(
    listener: TcpListener,
    settings: Settings,
    surroundings: Surroundings,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let observer = start(listener, settings, surroundings).await?;
    shutdown.cancelled().await;
    observer.stop().await;
    Ok(())
}

/// Starts an observer on a listener.
///
/// # Errors
/// When the log cannot be opened or a setting is wrong.
pub async fn start(
    listener: TcpListener,
    settings: Settings,
    surroundings: Surroundings,
) -> anyhow::Result<Observer> {
    let configured = configured::of(&settings)?;
    let proxies = proxies(&settings)?;
    if surroundings.greets {
        configured::greet_with(&configured);
    }
    let doors = Doors::open(listener, &settings).await?;
    // an error only says that somebody installed one before
    let _ = rustls::crypto::ring::default_provider().install_default();
    let public_url = discovery::public_url(&settings, doors.port()?).await?;
    let github_token = settings.github_token()?;
    let github_api = discovery::github_api(&settings)?;
    let marathon_url = discovery::marathon_in_settings(&settings)?;
    let store = Store::open(
        &settings.data,
        surroundings.clock.clone(),
        surroundings.on_fatal.clone(),
    )
    .await?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let told = *store.head().borrow();
    tasks.spawn(announce::run(
        store.clone(),
        told,
        surroundings.greets,
        stop.clone(),
    ));
    recall(&store, &settings, github_token.as_ref(), &configured).await?;
    let timing = timing(&settings, &surroundings);
    let clock = &surroundings.clock;
    let marathon = marathon_client(marathon_url.as_deref(), &settings, clock, timing.http)?;
    if marathon_url.is_none() {
        let dns = settings.mesos_dns.clone();
        tasks.spawn(seek::run(marathon.clone(), dns, timing.http, stop.clone()));
    }
    let watch = marathon::Watch::start(marathon.clone(), stop.clone());
    let (clock, label) = (surroundings.clock.clone(), crate::spec::LABEL_APP);
    let picture = marathon.picture(&watch, clock, label, timing.picture());
    let context = Context {
        store: store.clone(),
        github: github::Client::new(
            &github_api,
            github_token,
            surroundings.clock.clone(),
            Duration::from_secs(10),
        )?,
        watch,
        mesos: mesos(&marathon, &settings),
        marathon,
        picture,
        turns: marathon::Turns::default(),
        clock: surroundings.clock.clone(),
        timing,
        allow_ids: filled(&settings.allow_ids),
        own_id: std::env::var("MARATHON_APP_ID").ok(),
        hook: github::HookTarget {
            url: format!("{public_url}/dploy"),
            unchecked: doors.is_self_signed(),
        },
    };
    let hooks = HookKeeper {
        context: context.clone(),
    };
    let web = web(
        &settings,
        &surroundings,
        &hooks,
        &configured,
        &public_url,
        &proxies,
        stop.clone(),
    )
    .await?;
    tasks.spawn(web.pulse.clone().run());
    tasks.spawn(witness::run(
        context.clone(),
        web.pulse.clone(),
        stop.clone(),
    ));
    tasks.spawn(deployer::run(context.clone(), stop.clone()));
    let delay = Duration::from_secs(settings.delay_registration);
    let every = Every {
        branch: settings.poll_every(),
        hook: surroundings.hooks_every,
        hooks_rest: delay,
    };
    tasks.spawn(Schedule::new(context.clone(), every).run(stop.clone()));
    let registering = configured::register(context, configured, surroundings.greets, stop.clone());
    tasks.spawn(after(delay, stop.clone(), registering));
    let bounds = serve::Bounds::of(&settings, proxies);
    doors.serve(web, &surroundings.around, bounds, &tasks, &stop);
    let place = marathon_url.unwrap_or_else(|| format!("looked for in {}", settings.mesos_dns));
    tracing::info!(url = %public_url, marathon = %place, version = env!("CARGO_PKG_VERSION"), "this is dploy observer");
    Ok(Observer {
        url: public_url,
        store,
        stop,
        tasks,
    })
}

/// How long things take, where settings say so.
fn timing(settings: &Settings, surroundings: &Surroundings) -> Timing {
    Timing {
        deadline: Duration::from_secs(settings.deadline),
        settle: Duration::from_secs(settings.settle),
        ..surroundings.timing.clone()
    }
}

/// The client of the Marathon that a setting names, or of the one that is to be found.
fn marathon_client(
    url: Option<&str>,
    settings: &Settings,
    clock: &SharedClock,
    timeout: Duration,
) -> anyhow::Result<marathon::Client> {
    let credentials = Credentials::given(
        url.unwrap_or("http://marathon.mesos:8080"),
        settings.marathon_user.as_deref(),
        settings.marathon_password.as_ref(),
        settings.marathon_token.as_ref(),
    )?;
    if let Some(url) = url {
        return marathon::Client::new(url, credentials, clock.clone(), timeout);
    }
    let why = seek::sought(&settings.mesos_dns);
    marathon::Client::sought(&why, credentials, clock.clone())
}

/// What leads to the sandboxes of its tasks.
fn mesos(marathon: &marathon::Client, settings: &Settings) -> Mesos {
    let user = settings.mesos_user.clone().filter(|user| !user.is_empty());
    let credentials = user.map(|user| mesos::Credentials {
        user,
        password: settings
            .mesos_password
            .clone()
            .unwrap_or_else(|| Secret::new("")),
    });
    Mesos::new(marathon.clone(), credentials)
}

/// Those that say something.
fn filled(texts: &[String]) -> Vec<String> {
    texts.iter().filter(|t| !t.is_empty()).cloned().collect()
}

async fn after(delay: Duration, stop: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(delay) => work.await,
    }
}

/// The proxies that the settings name, by address or by network.
fn proxies(settings: &Settings) -> anyhow::Result<Proxies> {
    let named = settings.trusted_proxy.iter().map(|p| p.trim());
    let networks = named.filter(|p| !p.is_empty()).map(|p| {
        let address = p.parse::<std::net::IpAddr>().map(|a| a.to_canonical().into());
        address.or_else(|_| p.parse()).with_context(|| {
            format!("DPLOY_OBSERVER_TRUSTED_PROXY: {p:?} is no IP address and no network; write 10.0.0.7 or 10.0.0.0/24")
        })
    });
    Ok(Proxies::new(networks.collect::<anyhow::Result<_>>()?))
}

async fn web(
    settings: &Settings,
    surroundings: &Surroundings,
    hooks: &HookKeeper,
    configured: &Arc<Configured>,
    public_url: &str,
    proxies: &Proxies,
    stop: CancellationToken,
) -> anyhow::Result<Web> {
    let context = &hooks.context;
    Ok(Web {
        context: context.clone(),
        pulse: Pulse::new(context.clone(), stop),
        hooks: hooks.clone(),
        public_url: public_url.to_owned(),
        public_node: settings.public_node.clone().unwrap_or_default(),
        settings: Arc::new(surroundings.shown.clone()),
        made: Arc::default(),
        trial: surroundings.trial.clone(),
        private: settings.private,
        configured: configured.clone(),
        plain_login: settings.allow_plain_login,
        proxies: proxies.clone(),
        self_signed: context.hook.unchecked,
        patience: Arc::new(Patience::new(
            settings.requests_of_peer,
            context.clock.clone(),
        )),
        poll_seconds: settings.poll,
        fingerprint: context.store.fingerprint_key().await?,
        bodies: web::Bodies::default(),
        refusals: Arc::default(),
    })
}

/// What is known from before: secrets, the token of the settings, the app that they name.
async fn recall(
    store: &Store,
    settings: &Settings,
    github_token: Option<&Secret>,
    configured: &Configured,
) -> anyhow::Result<()> {
    learn_secrets(store, settings, github_token).await?;
    token::keep(store, settings).await?;
    configured::recall(configured, store).await?;
    Ok(())
}

/// What must never be written down is known before anything is.
async fn learn_secrets(
    store: &Store,
    settings: &Settings,
    github_token: Option<&Secret>,
) -> anyhow::Result<()> {
    let redactor = store.log().redactor();
    for secret in settings.secrets() {
        redactor.learn(secret.expose());
    }
    if let Some(token) = github_token {
        redactor.learn(token.expose());
    }
    for repository in store.repositories().await? {
        store
            .hook_secrets(repository)
            .await?
            .iter()
            .for_each(|s| redactor.learn(s.expose()));
    }
    Ok(())
}
