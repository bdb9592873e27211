//! What pages need to know at once: what runs, as Marathon showed it last, and a beat for whoever looks when that or the log changes.

mod left;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use self::left::Left;
use crate::context::Context;
use crate::history::App;
use crate::id::{AppId, ServiceId};
use crate::marathon::{LiveApp, Moment, Parts, Snapshot};
use crate::mesos::TaskAt;
use crate::rollout::Look;
use crate::spec::LABEL_APP;

/// How long a page waits for Marathon before it shows what was seen last.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long where what was seen last is younger than [`YOUNG`].
const SHORT: Duration = Duration::from_millis(300);

/// After one waited in vain, so long the others wait as short as that.
const TIRED: Duration = Duration::from_secs(10);

/// So many seconds what was seen serves where Marathon is slow.
const YOUNG: i64 = 10;

/// What was seen of Marathon so many seconds ago is said to be old.
pub const OLD: i64 = 20;

/// While somebody looks, what runs is looked at so often, also where Marathon says nothing.
const EVERY: Duration = Duration::from_secs(10);

/// So many beats wait for whoever is slow; who misses some looks again.
const BEATS: usize = 256;

/// What Marathon showed in one moment of all services of ours.
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// What.
    pub look: Look,
    /// The services that carry the label of each app.
    pub of: BTreeMap<String, BTreeSet<ServiceId>>,
    snapshot: Arc<Snapshot>,
}

/// Something that a page shows has changed.
#[derive(Clone)]
pub struct Beat {
    /// Of this app, as it stands; `None`: of no app, or of any.
    pub app: Option<Arc<App>>,
    /// The newest event.
    pub seq: i64,
    /// How often what Marathon shows has changed.
    pub picture: u64,
}

struct Inner {
    context: Context,
    last: Mutex<Option<Arc<Seen>>>,
    /// When somebody last waited in vain.
    in_vain: Mutex<Option<Duration>>,
    /// Services that carry no label, as they were asked for beside the picture that was seen last.
    beside: Mutex<Beside>,
    parts: Mutex<Parts>,
    /// Tasks that Marathon does not list any more, and did a moment ago.
    left: Mutex<Left>,
    pictures: AtomicU64,
    /// When this process began: its pictures are numbered anew.
    began: Timestamp,
    beats: broadcast::Sender<Beat>,
    /// Moves when somebody is sent away.
    doors: watch::Sender<u64>,
    stop: CancellationToken,
}

/// The one that all share.
#[derive(Clone)]
pub struct Pulse(Arc<Inner>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pulse {
    /// Of this observer.
    #[must_use]
    pub fn new(context: Context, stop: CancellationToken) -> Self {
        let (beats, _) = broadcast::channel(BEATS);
        let began = context.clock.now();
        Self(Arc::new(Inner {
            context,
            last: Mutex::default(),
            in_vain: Mutex::default(),
            beside: Mutex::default(),
            parts: Mutex::default(),
            left: Mutex::default(),
            pictures: AtomicU64::new(0),
            began,
            beats,
            doors: watch::Sender::new(0),
            stop,
        }))
    }

    /// How often what Marathon shows has changed, as far as somebody looked.
    #[must_use]
    pub fn picture(&self) -> u64 {
        self.0.pictures.load(Ordering::SeqCst)
    }

    /// A number that moves with each picture that differs, in this process and in none before.
    #[must_use]
    pub fn number(&self) -> String {
        format!("{}/{}", self.0.began, self.picture())
    }

    /// Every beat from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Beat> {
        self.0.beats.subscribe()
    }

    /// Moves when somebody is sent away: who listens is looked at again.
    #[must_use]
    pub fn doors(&self) -> watch::Receiver<u64> {
        self.0.doors.subscribe()
    }

    /// Somebody was sent away.
    pub fn close_door(&self) {
        self.0.doors.send_modify(|n| *n += 1);
    }

    /// Ends with the observer.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// A task that Marathon does not list any more, and did a moment ago: what it wrote last can still be read.
    #[must_use]
    pub fn left(&self, task: &str) -> Option<(ServiceId, TaskAt)> {
        locked(&self.0.left).of(task)
    }

    /// What runs: as it is now, or where Marathon does not say in time, as it was seen last.
    pub async fn seen(&self) -> Option<Arc<Seen>> {
        let pulse = self.clone();
        // it goes on when nobody waits for it any more: who comes next finds what it saw
        let looking = tokio::spawn(async move {
            let picture = &pulse.0.context.picture;
            let snapshot = picture.since(Moment::default()).await.ok()?;
            Some(pulse.keep(snapshot).await)
        });
        let last = || locked(&self.0.last).clone();
        let now = self.0.context.clock.now();
        let young = |seen: Arc<Seen>| now.duration_since(seen.at).as_secs().abs() < YOUNG;
        let clock = &self.0.context.clock;
        let tired = |at: Duration| clock.elapsed().saturating_sub(at) < TIRED;
        let in_vain = locked(&self.0.in_vain).is_some_and(tired);
        let patience = if in_vain || last().is_some_and(young) {
            SHORT
        } else {
            PATIENCE
        };
        let looked = tokio::time::timeout(patience, looking).await;
        // a refusal that comes at once is no wait
        *locked(&self.0.in_vain) = looked.is_err().then(|| clock.elapsed());
        match looked {
            Ok(Ok(Some(seen))) => Some(seen),
            _ => last(),
        }
    }

    /// Services that a picture does not show because nobody put the label on them: asked for one by one, and once for all who look at it.
    pub async fn beside(
        &self,
        seen: &Seen,
        ids: BTreeSet<ServiceId>,
    ) -> BTreeMap<ServiceId, LiveApp> {
        let number = seen.snapshot.number;
        let asked = {
            let mut beside = locked(&self.0.beside);
            if beside.of != number {
                *beside = Beside {
                    of: number,
                    ..Beside::default()
                };
            }
            let new = ids.iter().filter(|id| !beside.known.contains_key(*id));
            new.cloned().collect::<BTreeSet<ServiceId>>()
        };
        if !asked.is_empty() {
            let asking = crate::rollout::apps(&self.0.context.marathon, asked.clone());
            let found = tokio::time::timeout(PATIENCE, asking).await;
            let Ok(Ok(mut found)) = found else {
                return BTreeMap::new();
            };
            let mut beside = locked(&self.0.beside);
            if beside.of == number {
                let all = asked.into_iter().map(|id| (found.remove(&id), id));
                beside.known.extend(all.map(|(app, id)| (id, app)));
            } else {
                return found;
            }
        }
        let beside = locked(&self.0.beside);
        let known = |id: &ServiceId| Some((id.clone(), beside.known.get(id)?.clone()?));
        ids.iter().filter_map(known).collect()
    }

    /// Keeps what was seen, and tells whose part of it changed.
    async fn keep(&self, snapshot: Arc<Snapshot>) -> Arc<Seen> {
        let inner = &self.0;
        let (seen, changed) = {
            let mut last = locked(&inner.last);
            if let Some(seen) = last
                .as_ref()
                .filter(|s| Arc::ptr_eq(&s.snapshot, &snapshot))
            {
                return seen.clone();
            }
            // one that was begun earlier may be told later
            if let Some(newer) = last
                .as_ref()
                .filter(|s| s.snapshot.number > snapshot.number)
            {
                return newer.clone();
            }
            if let Some(before) = last.as_ref() {
                locked(&inner.left).take_leave(&before.look.apps, &snapshot);
            }
            let changed = locked(&inner.parts).changed(LABEL_APP, Some(&snapshot));
            let seen = Arc::new(Seen::of(snapshot, inner.context.clock.now()));
            *last = Some(seen.clone());
            (seen, changed.apps)
        };
        if changed.is_empty() {
            return seen;
        }
        inner.pictures.fetch_add(1, Ordering::SeqCst);
        for app in changed.iter().filter_map(|app| app.parse().ok()) {
            self.beat(Some(&app)).await;
        }
        seen
    }

    /// Whether what was seen last is no picture of now any more.
    fn is_old(&self) -> bool {
        let now = self.0.context.clock.now();
        let last = locked(&self.0.last).clone();
        last.is_none_or(|seen| now.duration_since(seen.at).as_secs() >= OLD)
    }

    /// Something that all pages show has changed, and is no event.
    async fn moves_all(&self) {
        self.0.pictures.fetch_add(1, Ordering::SeqCst);
        self.beat(None).await;
    }

    /// Something that is shown of an app has changed, and is no event.
    pub async fn moves(&self, app: &AppId) {
        self.0.pictures.fetch_add(1, Ordering::SeqCst);
        self.beat(Some(app)).await;
    }

    async fn beat(&self, app: Option<&AppId>) {
        let inner = &self.0;
        if inner.beats.receiver_count() == 0 {
            return;
        }
        let store = &inner.context.store;
        let app = match app {
            Some(id) => match store.app(id).await {
                Ok(Some(app)) => Some(Arc::new(app)),
                _ => return,
            },
            None => None,
        };
        // nobody may have stayed to hear it
        let _ = inner.beats.send(Beat {
            app,
            seq: *store.head().borrow(),
            picture: self.picture(),
        });
    }

    /// Beats until the observer stops, as long as anybody listens.
    pub async fn run(self) {
        tokio::select! {
            () = self.0.stop.cancelled() => {}
            () = self.hear_log() => {}
            () = self.look() => {}
        }
    }

    async fn hear_log(&self) {
        let mut touched = self.0.context.store.log().touched();
        loop {
            match touched.recv().await {
                Ok(touched) => self.beat(Some(&touched.app)).await,
                Err(RecvError::Lagged(_)) => self.beat(None).await,
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Looks at Marathon when it says something, and now and then.
    async fn look(&self) {
        let context = &self.0.context;
        let mut heard = context.watch.changes();
        let mut silent = false;
        loop {
            let changed = tokio::time::timeout(EVERY, heard.changed());
            if matches!(changed.await, Ok(Err(_))) {
                return;
            }
            // events come in bursts; one look serves them all
            tokio::time::sleep(context.timing.burst()).await;
            if self.0.beats.receiver_count() == 0 {
                continue;
            }
            match context.picture.since(Moment::default()).await {
                Ok(snapshot) => {
                    self.keep(snapshot).await;
                    if std::mem::take(&mut silent) {
                        self.moves_all().await;
                    }
                }
                // pages say since when what they show is old
                Err(_) if !silent && self.is_old() => {
                    silent = true;
                    self.moves_all().await;
                }
                Err(_) => {}
            }
        }
    }
}

/// What was asked for beside a picture.
#[derive(Default)]
struct Beside {
    /// The picture's number.
    of: u64,
    /// Each service, or that there is none.
    known: BTreeMap<ServiceId, Option<LiveApp>>,
}

impl Seen {
    fn of(snapshot: Arc<Snapshot>, at: Timestamp) -> Self {
        let mut of: BTreeMap<String, BTreeSet<ServiceId>> = BTreeMap::new();
        let mut apps = BTreeMap::new();
        for live in snapshot.apps.values() {
            let Ok(id) = live.id.parse::<ServiceId>() else {
                continue;
            };
            if let Some(whose) = live.labels.get(LABEL_APP) {
                of.entry(whose.clone()).or_default().insert(id.clone());
            }
            apps.insert(id, live.clone());
        }
        let look = Look {
            apps,
            deployments: snapshot.deployments.clone(),
            queue: snapshot.queue.clone(),
            mixed: BTreeSet::new(),
        };
        Self {
            at,
            look,
            of,
            snapshot,
        }
    }
}
