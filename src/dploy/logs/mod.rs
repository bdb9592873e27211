//! What the tasks of an app write, through the observer, or where none runs, from their agents: all of them together, with the
//! instance in front of each line.

mod source;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::json;

use self::source::{Service, Source, Trouble};
use super::args::LogsArgs;
use super::session::Session;
use super::terminal::{DIM, paint};
use crate::client::LogFrom;
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
    let (workspace, marathon, observer) = session.sought().await?;
    let app = &workspace.app;
    let mut source = match observer {
        Some(observer) if observer.alive => {
            let client = session.operator(&observer)?;
            Source::observer(session, client, app, args.follow)
        }
        // who waits for it would read nothing in the hour of need
        away => {
            let marathon = match &away {
                Some(observer) => {
                    let note = format!("{}: read from the agents", observer.silence());
                    session.terminal.hint(note);
                    session.marathon(Some(&workspace)).await?
                }
                None => marathon,
            };
            let mesos = session.mesos(&marathon)?;
            Source::agents(marathon.client, mesos, app, session.global.secrets())
        }
    };
    let (mut tasks, mut first) = (Tasks::default(), true);
    loop {
        let looked = match source.services().await {
            Ok(None) => Ok(()),
            Ok(Some(services)) => {
                // of what begins while one follows everything is read
                let from = if first { None } else { Some(0) };
                tasks.list(app, services, args, from)?;
                first = false;
                if tasks.all.is_empty() && !args.follow {
                    bail!("Marathon names no task of {app}");
                }
                tasks.read(session, &mut source, args).await
            }
            Err(trouble) => Err(trouble),
        };
        match looked {
            Ok(()) if !args.follow => return Ok(ExitCode::SUCCESS),
            Ok(()) => {}
            // a restart or a proxy's moment is waited for
            Err(Trouble::Passes(why)) if args.follow => tasks.complains(session, why),
            Err(trouble) => return Err(trouble.into_error()),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Whether the words on the command line mean this service.
fn is_meant(service: &Service, args: &LogsArgs) -> bool {
    let id = service.id.as_str();
    args.service.as_deref().is_none_or(|named| {
        let named = named.trim_start_matches('/');
        id.trim_start_matches('/') == named || id.ends_with(&format!("/{named}"))
    })
}

impl Tasks {
    /// Takes in the tasks that there are; those that are gone are read to their end.
    fn list(
        &mut self,
        app: &AppId,
        mut services: Vec<Service>,
        args: &LogsArgs,
        from: Option<u64>,
    ) -> anyhow::Result<()> {
        services.retain(|s| is_meant(s, args));
        if let (Some(named), true) = (&args.service, services.is_empty()) {
            bail!("{app} has no service {named}; `dploy status` lists them");
        }
        for reading in self.all.values_mut() {
            reading.listed = false;
        }
        for service in services {
            // the last that failed explains more than nothing
            let failed = service
                .failed
                .filter(|_| service.tasks.is_empty() && !args.follow);
            for task in service.tasks.into_iter().chain(failed) {
                let reading = self.all.entry(task).or_insert_with(|| Reading {
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
    /// Where nobody answers, or the only task cannot be read.
    async fn read(
        &mut self,
        session: &Session,
        source: &mut Source<'_>,
        args: &LogsArgs,
    ) -> Result<(), Trouble> {
        let open = self.all.iter_mut().filter(|(_, reading)| !reading.over);
        let open: Vec<(&String, &mut Reading)> = open.collect();
        let several = open.len() > 1;
        let (mut said, mut read_any) = (None, open.is_empty());
        for (task, reading) in open {
            let read = part(session, source, (task, &mut *reading), args, several).await;
            match read {
                Ok(()) => {
                    reading.over = !reading.listed;
                    read_any = true;
                }
                // who is the only one to ask is asked again; of several agents the others may answer
                Err(trouble @ Trouble::Passes(_)) if source.is_one() => return Err(trouble),
                Err(Trouble::Passes(why)) if args.follow || several => {
                    said = Some(format!("{}: {why}", short(task)));
                }
                Err(trouble) if !args.follow && !several => return Err(trouble),
                // what is gone is not read any more
                Err(trouble) => {
                    reading.over = !reading.listed;
                    said = Some(format!("{}: {:#}", short(task), trouble.into_error()));
                }
            }
        }
        match said {
            Some(why) if !args.follow && !read_any => {
                return Err(Trouble::Stays(anyhow::anyhow!("{why}")));
            }
            Some(why) => self.complains(session, why),
            None => {}
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
    source: &mut Source<'_>,
    (task, reading): (&String, &mut Reading),
    args: &LogsArgs,
    several: bool,
) -> Result<(), Trouble> {
    let stream = if args.stderr { "stderr" } else { "stdout" };
    let mut from = reading
        .offset
        .map_or(LogFrom::Tail(args.number), LogFrom::Offset);
    loop {
        let written = match source.read(&reading.service, task, stream, from).await {
            Ok(written) => written,
            // it has not begun to write, or was not launched yet
            Err(Trouble::Nothing(_)) if reading.offset.unwrap_or(0) == 0 => return Ok(()),
            Err(trouble) => return Err(trouble),
        };
        let goes_on = reading.offset.is_some_and(|offset| written.offset > offset);
        reading.offset = Some(written.offset);
        for line in &written.lines {
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
        if !goes_on || written.lines.is_empty() {
            return Ok(());
        }
        from = LogFrom::Offset(written.offset);
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
