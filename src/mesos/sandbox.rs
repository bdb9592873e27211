//! What a task wrote, in its sandbox: read by bytes, in pages, from wherever one is.

use serde_json::Value;
use tokio::sync::OnceCell;

use super::door::{Door, parsed};
use super::error::LogError;

/// So many bytes come in one answer; agents give no more.
const PAGE: u64 = 64 * 1024;

/// So far back a tail is looked for.
const FARTHEST: u64 = 1024 * 1024;

/// A part of a file without the end of a line that is longer than this is given as it is, in bytes.
pub const LONG: usize = 32 * 1024;

/// The folder of a task on its agent.
pub struct Sandbox {
    door: Door,
    framework: String,
    task: String,
    /// Its folder, once it is known.
    folder: OnceCell<String>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
    /// It was rotated or cut off since: it begins anew.
    pub anew: bool,
}

impl Part {
    /// Where the next one begins.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// The part without the line that is still being written, where the file goes on: it waits for its end. One that is very long
    /// does not.
    #[must_use]
    pub fn whole_lines(mut self, goes_on: bool) -> Self {
        let whole = self.bytes.iter().rposition(|byte| *byte == b'\n');
        match whole {
            Some(end) if goes_on => self.bytes.truncate(end + 1),
            None if goes_on && self.bytes.len() < LONG => self.bytes.clear(),
            _ => {}
        }
        self
    }
}

impl Sandbox {
    pub(super) fn new(door: Door, framework: &str, task: &str) -> Self {
        Self {
            door,
            framework: framework.to_owned(),
            task: task.to_owned(),
            folder: OnceCell::new(),
        }
    }

    /// The last lines of a file, at most so many.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn tail(&self, file: &str, lines: usize) -> Result<Part, LogError> {
        let size = self.size(file).await?;
        let mut part = Part {
            offset: size,
            bytes: Vec::new(),
            anew: false,
        };
        let enough = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').nth(lines + 1).is_some();
        while part.offset > 0 && !enough(&part.bytes) && size - part.offset < FARTHEST {
            let from = part.offset.saturating_sub(PAGE);
            let mut bytes = self.read(file, from, part.offset - from).await?;
            if bytes.is_empty() {
                // cut off meanwhile
                break;
            }
            bytes.append(&mut part.bytes);
            part = Part {
                offset: from,
                bytes,
                anew: false,
            };
        }
        let ends = part.bytes.iter().enumerate().rev();
        let ends = ends
            .filter(|(_, byte)| **byte == b'\n')
            .map(|(at, _)| at + 1);
        // the line that is being written counts as one
        let open = part.bytes.last().is_some_and(|byte| *byte != b'\n');
        let skipped = lines + usize::from(!open);
        if let Some(cut) = ends.clone().nth(skipped.saturating_sub(1)) {
            part.bytes.drain(..cut);
            part.offset += cut as u64;
        }
        Ok(part)
    }

    /// What stands behind `offset`, at most a page; where the file is shorter than that by now, from its beginning.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn since(&self, file: &str, offset: u64) -> Result<Part, LogError> {
        let bytes = self.read(file, offset, PAGE).await?;
        if bytes.is_empty() && self.size(file).await? < offset {
            return Ok(Part {
                offset: 0,
                bytes: self.read(file, 0, PAGE).await?,
                anew: true,
            });
        }
        Ok(Part {
            offset,
            bytes,
            anew: false,
        })
    }

    /// How long a file is, in bytes.
    ///
    /// # Errors
    /// See [`LogError`].
    pub async fn size(&self, file: &str) -> Result<u64, LogError> {
        let answer = self.ask(file, &[("offset", "-1".to_owned())]).await?;
        answer["offset"]
            .as_u64()
            .ok_or_else(|| LogError::Foreign(format!("{} gives no size", self.door.name())))
    }

    async fn read(&self, file: &str, offset: u64, length: u64) -> Result<Vec<u8>, LogError> {
        let query = [
            ("offset", offset.to_string()),
            ("length", length.to_string()),
        ];
        let answer = self.ask(file, &query).await?;
        let data = answer["data"].as_str().unwrap_or_default();
        Ok(data
            .chars()
            .map(|c| u8::try_from(c).unwrap_or(b'?'))
            .collect())
    }

    /// Asks for a file, by the path that needs no state of the agent, else by the one that its state names.
    async fn ask(&self, file: &str, query: &[(&str, String)]) -> Result<Value, LogError> {
        let virtual_folder = format!(
            "/frameworks/{}/executors/{}/runs/latest",
            self.framework, self.task
        );
        let folder = self.folder.get().unwrap_or(&virtual_folder);
        match self.ask_in(folder, file, query).await {
            Err(LogError::Gone(_)) if !self.folder.initialized() => {
                let folder = self.folder.get_or_try_init(|| self.looked_up()).await?;
                self.ask_in(folder, file, query).await
            }
            answer => answer,
        }
    }

    async fn ask_in(
        &self,
        folder: &str,
        file: &str,
        query: &[(&str, String)],
    ) -> Result<Value, LogError> {
        let path = ("path", format!("{folder}/{file}"));
        let query: Vec<(&str, String)> = [path].into_iter().chain(query.iter().cloned()).collect();
        let body = self.door.get("/files/read", &query).await?;
        parsed(&body, &self.door.name())
    }

    /// The folder as the agent's state names it: before Mesos 1.5, and where an executor of one's own runs the task.
    async fn looked_up(&self) -> Result<String, LogError> {
        let body = self.door.get("/state", &[]).await?;
        let state = parsed(&body, &self.door.name())?;
        let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let frameworks = [
            list(&state, "frameworks"),
            list(&state, "completed_frameworks"),
        ]
        .concat();
        let ours = frameworks.iter().filter(|f| f["id"] == *self.framework);
        let executors =
            ours.flat_map(|f| [list(f, "executors"), list(f, "completed_executors")].concat());
        let ran = |executor: &Value| {
            let lists = ["tasks", "queued_tasks", "completed_tasks"];
            let mut tasks = lists.into_iter().flat_map(|key| list(executor, key));
            executor["id"] == *self.task || tasks.any(|task| task["id"] == *self.task)
        };
        let found = executors.into_iter().find(ran);
        let folder = found.as_ref().and_then(|e| e["directory"].as_str());
        let gone = || LogError::Gone(format!("the sandbox of {}", self.task));
        folder.map(str::to_owned).ok_or_else(gone)
    }
}
