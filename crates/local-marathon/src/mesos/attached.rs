//! The names under which sandboxes are attached, and what a path below one of them leads to.

use std::io;
use std::path::{Path, PathBuf};

use super::Cluster;
use crate::world::ledger::Record;
use crate::world::{FRAMEWORK, World};

/// What a path leads to.
pub enum Place {
    /// A file or folder within a sandbox.
    Inside(PathBuf),
    /// Nothing.
    Nowhere,
    /// What must not be looked at; why.
    Barred(String),
}

impl Cluster {
    /// The folder below which an agent's names of sandboxes lie.
    fn work_dir(&self) -> String {
        self.marathon.options.dir.display().to_string()
    }

    /// Where a Mesos agent would have the runs of this task's executor.
    fn runs(&self, world: &World, record: &Record) -> String {
        let (dir, agent) = (self.work_dir(), &world.agents[record.agent].id);
        let task = &record.task;
        format!("{dir}/slaves/{agent}/frameworks/{FRAMEWORK}/executors/{task}/runs")
    }

    /// The sandbox of a task, by the name that says all.
    pub fn directory(&self, world: &World, record: &Record) -> String {
        format!("{}/{}", self.runs(world, record), record.container())
    }

    /// All names of a sandbox.
    fn names(&self, world: &World, record: &Record) -> [String; 3] {
        let latest = format!("{}/latest", self.runs(world, record));
        let short = format!(
            "/frameworks/{FRAMEWORK}/executors/{}/runs/latest",
            record.task
        );
        [self.directory(world, record), latest, short]
    }

    /// Names and folders of all sandboxes of an agent.
    pub fn attached(&self, agent: usize) -> Vec<(String, PathBuf)> {
        self.marathon.look(|world| {
            let all = world.ledger.alive().chain(world.ledger.ended());
            let here = all.filter(|record| record.agent == agent);
            let named = |record: &Record| {
                let folder = self.marathon.sandbox(&record.task);
                self.names(world, record).map(|name| (name, folder.clone()))
            };
            here.flat_map(named).collect()
        })
    }

    /// The folder that the beginning of a path names, and the rest of the path.
    pub fn find_sandbox(&self, agent: usize, path: &str) -> Option<(PathBuf, String)> {
        // a folder above may have that name too
        let executors = path.split('/').zip(path.split('/').skip(1));
        let mut tasks = executors.filter(|(name, _)| *name == "executors");
        self.marathon.look(|world| {
            tasks.find_map(|(_, task)| {
                let record = world.ledger.find(task).filter(|r| r.agent == agent)?;
                let names = self.names(world, record);
                let rest = names.iter().find_map(|name| below(path, name))?;
                Some((self.marathon.sandbox(task), rest.to_owned()))
            })
        })
    }
}

/// What is left of a path below a folder, without the slash.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.starts_with('/').then(|| rest.trim_start_matches('/'))
}

/// What the rest of a path leads to within a sandbox. It blocks.
pub fn resolve(sandbox: &Path, rest: &str) -> Place {
    let asked = sandbox.join(rest);
    match asked.canonicalize() {
        Ok(real) if real.starts_with(sandbox) => Place::Inside(real),
        Ok(_) => Place::Barred(format!("'{}' is inaccessible", asked.display())),
        Err(error) if is_nothing(&error) => Place::Nowhere,
        Err(error) => Place::Barred(format!(
            "Failed to determine canonical path of '{}': {}",
            asked.display(),
            said(&error)
        )),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// What the system calls an error.
pub fn said(error: &io::Error) -> String {
    let said = error.to_string();
    let words = said.split_once(" (os error ").map(|(words, _)| words);
    words.unwrap_or(&said).to_owned()
}
