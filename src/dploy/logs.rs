//! What the tasks of an app write, through the observer: all of them together, with the instance in front of each line.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use super::absence::Absence;
use super::args::LogsArgs;
use super::session::Session;
use super::terminal::{DIM, paint};
use crate::api::{AppPage, ProblemCode, ServiceBody};
use crate::client::{Client, ClientError, LogFrom};
use crate::id::{AppId, ServiceId};

/// Between two looks at what was written.
const AGAIN: Duration = Duration::from_secs(1);

/// Characters of an instance's id that tell it from others.
const SHORT: usize = 8;

/// So many tasks that are not listed any more are remembered: one that comes back goes on where it was.
const REMEMBERED: usize = 500;

/// A task that is read.
struct Reading {
    service: ServiceId,
    /// Where the next line begins; `None` before the first look.
    offset: Option<u64>,
    /// Whether it is listed; when it is not any more, what it wrote last is read once.
    listed: bool,
    /// It is not listed, and what it wrote last was read.
    over: bool,
}

/// The tasks that are read, and what was said of those that could not be.
#[derive(Default)]
struct Tasks {
    all: BTreeMap<String, Reading>,
    said: String,
}

pub(super) async fn run(session: &Session, args: &LogsArgs) -> anyhow::Result<ExitCode> {
    let (workspace, observer) = session.observed().await?;
    let mut client = session.operator(&observer)?;
    let mut absence = Absence::endless(session);
    let app = &workspace.app;
    let (mut tasks, mut first) = (Tasks::default(), true);
    loop {
        let mut looked = client.app(app).await;
        match &looked {
            // where Marathon does not say what runs, nothing is gone
            Ok(Some(page)) if page.app.seen_at.is_none() && args.follow => {}
            Ok(Some(page)) => {
                // of what begins while one follows everything is read
                let from = if first { None } else { Some(0) };
                tasks.list(page, args, from)?;
                first = false;
            }
            Ok(None) => bail!("{app} is not at the observer any more"),
            Err(_) => {}
        }
        if looked.is_ok() {
            if tasks.all.is_empty() && !args.follow {
                bail!("Marathon names no task of {app}");
            }
            looked = tasks.read(session, &client, app, args).await.map(|()| None);
        }
        match looked {
            Ok(_) if !args.follow => return Ok(ExitCode::SUCCESS),
            Err(error) if !args.follow => return Err(error.into()),
            Ok(_) => absence.ends(),
            // a restart or a proxy's moment is waited for
            Err(error) => {
                let why = absence.lasts(&mut client, error).await?;
                tasks.complains(session, why);
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether the words on the command line mean this service.
fn is_meant(service: &ServiceBody, args: &LogsArgs) -> bool {
    let id = service.id.as_str();
    args.service.as_deref().is_none_or(|named| {
        let named = named.trim_start_matches('/');
        id.trim_start_matches('/') == named || id.ends_with(&format!("/{named}"))
    })
}

impl Tasks {
    /// Takes in the tasks that there are; those that are gone are read to their end.
    fn list(&mut self, page: &AppPage, args: &LogsArgs, from: Option<u64>) -> anyhow::Result<()> {
        let meant: Vec<&ServiceBody> = page.services.iter().filter(|s| is_meant(s, args)).collect();
        if let (Some(named), true) = (&args.service, meant.is_empty()) {
            bail!(
                "{} has no service {named}; `dploy status` lists them",
                page.app.app
            );
        }
        for reading in self.all.values_mut() {
            reading.listed = false;
        }
        for service in meant {
            let failed = service
                .runs
                .last_failure
                .iter()
                .filter_map(|f| f.task.as_ref());
            // the last that failed explains more than nothing
            let failed = failed.filter(|_| service.runs.tasks.is_empty() && !args.follow);
            let listed = service.runs.tasks.iter().map(|t| &t.task);
            for task in listed.chain(failed) {
                let reading = self.all.entry(task.clone()).or_insert_with(|| Reading {
                    service: service.id.clone(),
                    offset: from,
                    listed: true,
                    over: false,
                });
                (reading.listed, reading.over) = (true, false);
            }
        }
        while self.all.len() > REMEMBERED {
            let over = self.all.iter().find(|(_, reading)| reading.over);
            let Some((task, _)) = over else { break };
            let task = task.clone();
            self.all.remove(&task);
        }
        Ok(())
    }

    /// Reads on in all of them. What one cannot be read for is said, unless it is the only one.
    ///
    /// # Errors
    /// Where the observer does not answer, or the only task cannot be read.
    async fn read(
        &mut self,
        session: &Session,
        client: &Client,
        app: &AppId,
        args: &LogsArgs,
    ) -> Result<(), ClientError> {
        let stream = if args.stderr { "stderr" } else { "stdout" };
        let open = self.all.iter_mut().filter(|(_, reading)| !reading.over);
        let open: Vec<(&String, &mut Reading)> = open.collect();
        let several = open.len() > 1;
        let mut trouble = None;
        for (task, reading) in open {
            let how = (args.number, several);
            match part(session, client, app, (task, &mut *reading), stream, how).await {
                Ok(()) => reading.over = !reading.listed,
                Err(error) if error.passes() || !args.follow && !several => return Err(error),
                // what is gone is not read any more
                Err(error) => {
                    reading.over = !reading.listed;
                    trouble = Some(format!("{}: {error}", short(task)));
                }
            }
        }
        if let Some(why) = trouble {
            self.complains(session, why);
        }
        Ok(())
    }

    /// Says once why something cannot be read.
    fn complains(&mut self, session: &Session, why: String) {
        if why != self.said {
            session.terminal.note(format!("dploy: {why}"));
            self.said = why;
        }
    }
}

/// Reads on in what a task wrote, and says it.
async fn part(
    session: &Session,
    client: &Client,
    app: &AppId,
    (task, reading): (&String, &mut Reading),
    stream: &str,
    (number, several): (usize, bool),
) -> Result<(), ClientError> {
    let mut from = reading
        .offset
        .map_or(LogFrom::Tail(number), LogFrom::Offset);
    loop {
        let log = match client.log(app, &reading.service, task, stream, from).await {
            Ok(log) => log,
            // it has not begun to write, or was not launched yet
            Err(error) if error.is(ProblemCode::NotFound) && reading.offset.unwrap_or(0) == 0 => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let goes_on = reading.offset.is_some_and(|offset| log.offset > offset);
        reading.offset = Some(log.offset);
        for line in &log.lines {
            if session.terminal.json {
                let line = json!({"service": reading.service, "task": task, "stream": stream, "line": line});
                session.terminal.say(line);
            } else if several {
                session
                    .terminal
                    .say(format!("{} {line}", paint(DIM, short(task))));
            } else {
                session.terminal.say(line);
            }
        }
        if !goes_on || log.lines.is_empty() {
            return Ok(());
        }
        from = LogFrom::Offset(log.offset);
    }
}

/// What stands in front of a task's lines: the end of its service's name, and the beginning of its instance's id.
fn short(task: &str) -> String {
    let name = task.split(".instance-").next().unwrap_or(task);
    let name = name.rsplit('_').next().unwrap_or(name);
    let instance = task.split(".instance-").nth(1).unwrap_or(task);
    let instance: String = instance.chars().take(SHORT).collect();
    format!("{name}.{instance}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_task_is_called_by_its_service_and_the_beginning_of_its_instance() {
        let id = "shop_web.instance-6f1c0a7e-1111-2222-3333-444455556666._app.1";
        assert_eq!(short(id), "web.6f1c0a7e");
        assert_eq!(short("strange"), "strange.strange");
    }
}
