//! `GET /apps/{id}/logs`: what a task wrote, read from its agent while it is asked for: a part, a page to look at, a stream, or all of it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Web;
use super::error::Failure;
use super::html;
use super::negotiate::{Wants, json as json_answer, wants};
use super::people::{Operator, Viewer};
use crate::access::Role;
use crate::api::{AppBody, LogBody, ProblemCode};
use crate::history::App;
use crate::id::ServiceId;
use crate::marathon::LiveApp;
use crate::mesos::{LONG, LogError, Part, Sandbox, TaskAt};
use crate::rollout;
use crate::store::StoreError;
use crate::witness::{Hidden, lines};

/// So many lines are shown where nobody says how many.
const USUAL: usize = 200;

/// So many at most.
const MOST: usize = 10_000;

/// Who follows looks again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// A task that ended writes nothing more after so many looks in vain.
const VAIN: u32 = 5;

#[derive(Deserialize, JsonSchema)]
pub(super) struct LogsQuery {
    /// The service; else one that is not well.
    service: Option<String>,
    /// Mesos' id of the task; else the newest.
    task: Option<String>,
    /// `stdout` or `stderr`; else the one that says more of how it is.
    stream: Option<String>,
    /// How many lines from the end.
    tail: Option<usize>,
    /// Read on from here, in bytes.
    offset: Option<u64>,
    /// `1`: lines as they are written.
    #[serde(default)]
    follow: Option<String>,
    /// `1`: the lines as plain text, whatever is accepted.
    #[serde(default)]
    raw: Option<String>,
    /// `1`: the whole file.
    #[serde(default)]
    download: Option<String>,
}

/// A file of a task that somebody reads.
struct Reading {
    web: Web,
    viewer: Viewer,
    live: LiveApp,
    service: ServiceId,
    at: TaskAt,
    stream: &'static str,
    sandbox: Sandbox,
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let (status, code) = match &error {
            LogError::Gone(_) | LogError::NoAgent(_) => {
                (StatusCode::NOT_FOUND, ProblemCode::NotFound)
            }
            _ => (StatusCode::BAD_GATEWAY, ProblemCode::Marathon),
        };
        Self::new(status, code, error.to_string())
    }
}

pub(super) async fn show(
    State(web): State<Web>,
    Operator(person): Operator,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Failure> {
    let app = web.app_for(&person, Role::Operator, &name).await?;
    let looked = web.looked(&app).await;
    let looked = looked.ok_or_else(|| {
        let silence = web.context.marathon.silence();
        Failure::new(StatusCode::BAD_GATEWAY, ProblemCode::Marathon, silence)
    })?;
    // a service that lost the label is somebody else's by now
    let mut ours = looked.look.apps;
    ours.retain(|_, live| rollout::is_of(live, &app.id));
    let (service, live) = service(&app, &ours, query.service.as_deref())?;
    let all = tasks(&live);
    let left = query
        .task
        .as_deref()
        .and_then(|named| web.pulse.left(named));
    let at = match left {
        // it is not listed any more, and was a moment ago
        Some((of, at)) if of == service => at,
        _ => task(&service, &all, query.task.as_deref())?,
    };
    let stream = stream_named(query.stream.as_deref())?;
    let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok());
    let accepts = |what: &str| accept.is_some_and(|a| a.contains(what));
    let other = [&query.follow, &query.download, &query.raw];
    let page = wants(&uri, &headers) == Wants::Html && other.iter().all(|o| o.is_none());
    let sandbox = web.context.mesos.sandbox(&at).await;
    if page {
        let part = match &sandbox {
            Ok(sandbox) => {
                sandbox
                    .tail(stream, query.tail.unwrap_or(USUAL).min(MOST))
                    .await
            }
            Err(error) => Err(error.clone()),
        };
        let hidden = Hidden::of(&web.context, &live);
        let part = part.map(|part| (lines(&part.bytes, &hidden), part.end()));
        let chrome = web.chrome(Some(person), &format!("/apps/{}/logs", app.id));
        let shown = html::Log {
            app: &AppBody::from(&app),
            services: ours.keys().collect(),
            service: &service,
            tasks: all.iter().map(|at| at.task.as_str()).collect(),
            task: &at.task,
            stream,
            part: part.as_ref().map_err(ToString::to_string),
        };
        return Ok(Html(html::logs(&chrome, &shown)).into_response());
    }
    let reading = Reading {
        viewer: Viewer {
            person: Some(person),
        },
        live,
        service,
        at,
        stream,
        sandbox: sandbox?,
        web,
    };
    if query.download.is_some() {
        return Ok(reading.whole());
    }
    let part = if let Some(offset) = query.offset {
        reading.sandbox.since(stream, offset).await?
    } else {
        let number = query.tail.unwrap_or(USUAL).min(MOST);
        reading.sandbox.tail(stream, number).await?
    };
    if query.follow.is_none() {
        let body = reading.body(part, !reading.is_over());
        return Ok(if accepts("text/plain") || query.raw.is_some() {
            text_of(&body).into_response()
        } else {
            json_answer(StatusCode::OK, &body)
        });
    }
    let stop = reading.web.pulse.stopping();
    let events = accepts("text/event-stream");
    let parts = reading.follow(part).take_until(stop.cancelled_owned());
    Ok(if events {
        let told = |body: LogBody| {
            let data = serde_json::to_string(&body).unwrap_or_default();
            Ok::<_, Infallible>(Event::default().data(data))
        };
        let keep = KeepAlive::new().interval(Duration::from_secs(10));
        Sse::new(parts.map(told)).keep_alive(keep).into_response()
    } else {
        let text = |body: LogBody| Ok::<_, Infallible>(text_of(&body));
        let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
        (plain, Body::from_stream(parts.map(text))).into_response()
    })
}

/// The stream that is meant; `stdout` where nobody says which.
fn stream_named(named: Option<&str>) -> Result<&'static str, Failure> {
    match named {
        None | Some("stdout") => Ok("stdout"),
        Some("stderr") => Ok("stderr"),
        Some(other) => {
            let other = crate::secret::plain(other, 40);
            let why = format!("stream: {other:?} is neither stdout nor stderr");
            Err(Failure::unprocessable(ProblemCode::Invalid, why))
        }
    }
}

/// The service that is meant; where nobody says which, one that is not well.
fn service(
    app: &App,
    live: &std::collections::BTreeMap<ServiceId, LiveApp>,
    named: Option<&str>,
) -> Result<(ServiceId, LiveApp), Failure> {
    let found = if let Some(named) = named {
        let id = format!("/{}", named.trim_start_matches('/'));
        live.iter().find(|(known, _)| known.as_str() == id)
    } else {
        let sick = |(_, l): &(&ServiceId, &LiveApp)| l.tasks.iter().any(|t| !l.is_well(t));
        live.iter().find(sick).or_else(|| live.iter().next())
    };
    let missing = || {
        let what = named.map_or_else(|| "no service".to_owned(), |n| format!("no service {n:?}"));
        Failure::missing(format!("of {} there is {what} in Marathon", app.id))
    };
    found
        .map(|(id, live)| (id.clone(), live.clone()))
        .ok_or_else(missing)
}

/// The tasks of a service that Marathon names, newest first; the last that failed among them.
fn tasks(live: &LiveApp) -> Vec<TaskAt> {
    let mut tasks: Vec<_> = live.tasks.iter().collect();
    tasks.sort_by(|a, b| b.started_at.cmp(&a.started_at));
    let mut all: Vec<TaskAt> = tasks
        .into_iter()
        .filter_map(|t| {
            Some(TaskAt {
                task: t.id.clone(),
                agent: t.agent.clone()?,
            })
        })
        .collect();
    let last = live.last_task_failure.as_ref();
    let failed = last.and_then(|f| {
        Some(TaskAt {
            task: f.task.clone()?,
            agent: f.agent.clone()?,
        })
    });
    all.extend(failed.filter(|failed| all.iter().all(|t| t.task != failed.task)));
    all
}

fn task(service: &ServiceId, all: &[TaskAt], named: Option<&str>) -> Result<TaskAt, Failure> {
    let found = match named {
        Some(named) => all.iter().find(|t| t.task == named),
        None => all.first(),
    };
    found.cloned().ok_or_else(|| match named {
        Some(_) => Failure::missing(format!(
            "Marathon does not name that task of {service} any more"
        )),
        None => Failure::missing(format!("{service} has no task, and none that failed last")),
    })
}

/// The lines as text.
fn text_of(body: &LogBody) -> String {
    let lines = body.lines.iter().flat_map(|line| [line.as_str(), "\n"]);
    lines.collect()
}

impl Reading {
    fn is_over(&self) -> bool {
        let running = self.live.tasks.iter().find(|t| t.id == self.at.task);
        running.is_none_or(crate::marathon::Task::is_over)
    }

    /// A part as it is answered. Where it goes on, the line that is still written waits for its end.
    fn body(&self, part: Part, goes_on: bool) -> LogBody {
        let part = part.whole_lines(goes_on);
        let hidden = Hidden::of(&self.web.context, &self.live);
        LogBody {
            service: self.service.clone(),
            task: self.at.task.clone(),
            stream: self.stream.to_owned(),
            offset: part.end(),
            anew: part.anew,
            lines: lines(&part.bytes, &hidden),
        }
    }

    /// What is written from now on, until the task has ended or whoever reads is sent away.
    fn follow(self, first: Part) -> impl Stream<Item = LogBody> {
        let body = self.body(first, true);
        let (offset, vain) = (body.offset, 0u32);
        let rest = stream::unfold(
            (self, offset, vain),
            |(reading, mut offset, mut vain)| async move {
                loop {
                    if !reading.web.still(&reading.viewer).await.unwrap_or(false) {
                        return None;
                    }
                    let part = reading.sandbox.since(reading.stream, offset).await;
                    let full = part.as_ref().is_ok_and(|p| p.bytes.len() >= LONG);
                    if let Ok(part) = part {
                        let body = reading.body(part, true);
                        if !body.lines.is_empty() || body.anew {
                            if !full {
                                tokio::time::sleep(AGAIN).await;
                            }
                            return Some((body.clone(), (reading, body.offset, 0)));
                        }
                        offset = body.offset;
                    }
                    vain += 1;
                    if vain >= VAIN && reading.has_ended().await {
                        // a last line without an end
                        let part = reading.sandbox.since(reading.stream, offset).await.ok()?;
                        let rest = reading.body(part, false);
                        let some = !rest.lines.is_empty();
                        return some.then(|| (rest.clone(), (reading, rest.offset, vain)));
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            },
        );
        stream::iter([body]).chain(rest)
    }

    /// Whether Marathon does not list the task any more, or as one that is over.
    async fn has_ended(&self) -> bool {
        match self.web.context.marathon.app(&self.service).await {
            Ok(Some(live)) => {
                let task = live.tasks.iter().find(|t| t.id == self.at.task);
                task.is_none_or(crate::marathon::Task::is_over)
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// The whole file, as a file.
    fn whole(self) -> Response {
        let name = format!("{}.{}.txt", self.at.task, self.stream);
        let stop = self.web.pulse.stopping();
        let parts = stream::try_unfold((self, 0), |(reading, offset)| async move {
            let broken = std::io::Error::other::<anyhow::Error>;
            if !reading.web.still(&reading.viewer).await.unwrap_or(false) {
                return Err(broken(StoreError::Ended.into()));
            }
            // what cannot be read to its end is no whole file
            let part = reading.sandbox.since(reading.stream, offset).await;
            let part = part.map_err(|e| broken(e.into()))?;
            if part.bytes.is_empty() || part.anew {
                return Ok(None);
            }
            let last = part.bytes.len() < LONG;
            let body = reading.body(part, !last);
            Ok(Some((text_of(&body), (reading, body.offset))))
        });
        let parts = parts.take_until(stop.cancelled_owned());
        let headers = [
            (header::CONTENT_TYPE, "text/plain; charset=utf-8".to_owned()),
            (
                header::CONTENT_DISPOSITION,
                format!("attachment; filename=\"{name}\""),
            ),
        ];
        (headers, Body::from_stream(parts)).into_response()
    }
}
