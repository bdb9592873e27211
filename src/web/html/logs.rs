//! What a task wrote: its last lines, and those that come while one looks.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};
use crate::api::AppBody;
use crate::id::ServiceId;

/// What is shown of a task.
pub struct Log<'a> {
    /// The app.
    pub app: &'a AppBody,
    /// Its services.
    pub services: Vec<&'a ServiceId>,
    /// The one that is looked at.
    pub service: &'a ServiceId,
    /// Its tasks, newest first.
    pub tasks: Vec<&'a str>,
    /// The one that is looked at.
    pub task: &'a str,
    /// `stdout` or `stderr`.
    pub stream: &'static str,
    /// The last lines and where the next begin, or why there are none.
    pub part: Result<&'a (Vec<String>, u64), String>,
}

#[derive(Template)]
#[template(path = "logs.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: String,
    json: Option<String>,
    log: &'a Log<'a>,
}

impl View<'_> {
    fn address(&self, service: &ServiceId, task: &str, stream: &str) -> String {
        let encoded = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        let task = if task.is_empty() {
            String::new()
        } else {
            format!("&task={}", encoded(task))
        };
        format!(
            "/apps/{}/logs?service={}{task}&stream={stream}",
            self.log.app.app,
            encoded(service.as_str())
        )
    }

    fn here(&self) -> String {
        self.address(self.log.service, self.log.task, self.log.stream)
    }
}

/// `GET /apps/{id}/logs`.
#[must_use]
pub fn logs(chrome: &Chrome, log: &Log<'_>) -> String {
    render(&View {
        chrome,
        title: format!("{} of {}", log.stream, log.service),
        json: None,
        log,
    })
}
