//! An app definition: its JSON with every default filled in, its versions, and the parts the machinery looks at.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::Id;
use crate::stamp;

/// One version of an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct App {
    /// Its id.
    pub id: Id,
    /// The definition with defaults, without `version` and `versionInfo`.
    pub body: Map<String, Value>,
    /// This version.
    pub version: Timestamp,
    /// When `instances` changed last, or anything else.
    pub scaled: Timestamp,
    /// When anything but `instances` changed last.
    pub configured: Timestamp,
}

/// Where a health check or readiness check looks.
#[derive(Clone, Debug, PartialEq)]
pub enum Port {
    /// A fixed port.
    Fixed(u16),
    /// The host port of that index.
    Index(usize),
    /// The definition names none.
    None,
}

/// One health check of an app.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    /// `HTTP`, `TCP`, `COMMAND` …
    pub protocol: String,
    /// Path of an HTTP check.
    pub path: String,
    /// Which port.
    pub port: Port,
    /// Shell command of a COMMAND check.
    pub command: String,
    /// Failures before the first success are ignored for so many seconds.
    pub grace: f64,
    /// Seconds between checks.
    pub interval: f64,
    /// Seconds until a check without an answer failed.
    pub timeout: f64,
    /// Seconds before the first check, for checks that Mesos makes.
    pub delay: f64,
    /// Failures in a row after which one more kills the task; 0 = never.
    pub max_failures: u64,
}

impl HealthCheck {
    /// Whether the agent makes the check, not Marathon.
    pub fn is_mesos(&self) -> bool {
        self.protocol == "COMMAND" || self.protocol.starts_with("MESOS_")
    }
}

/// A readiness check of an app.
#[derive(Clone, Debug)]
pub struct ReadinessCheck {
    /// Its name.
    pub name: String,
    /// Path it asks for.
    pub path: String,
    /// Index of the port with the check's port name.
    pub port: usize,
    /// Seconds between checks.
    pub interval: f64,
    /// Seconds until a check without an answer failed.
    pub timeout: f64,
    /// Status codes that mean ready.
    pub codes: Vec<u64>,
    /// Whether the last answer is shown.
    pub keep_last: bool,
}

impl App {
    /// A definition that is new at `version`.
    pub fn new(id: Id, body: Map<String, Value>, version: Timestamp) -> Self {
        Self {
            id,
            body,
            version,
            scaled: version,
            configured: version,
        }
    }

    /// How many tasks are wanted.
    pub fn instances(&self) -> usize {
        self.whole("instances")
    }

    /// A number of the definition.
    pub fn number(&self, key: &str) -> f64 {
        self.body
            .get(key)
            .and_then(Value::as_f64)
            .unwrap_or_default()
    }

    /// A text of the definition.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.body.get(key).and_then(Value::as_str)
    }

    /// A list of the definition; empty if absent.
    pub fn list(&self, key: &str) -> &[Value] {
        self.body
            .get(key)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// `(ceil(instances × minimumHealthCapacity), floor(instances × (1 + maximumOverCapacity)))`.
    pub fn capacity(&self) -> (usize, usize) {
        let strategy = self.body.get("upgradeStrategy");
        let ratio = |key: &str| strategy.and_then(|s| s[key].as_f64()).unwrap_or(1.0);
        let instances = self.number("instances");
        (
            whole((instances * ratio("minimumHealthCapacity")).ceil()),
            whole((instances * (1.0 + ratio("maximumOverCapacity"))).floor()),
        )
    }

    /// Ids of the apps and groups this app waits for.
    pub fn dependencies(&self) -> impl Iterator<Item = Id> {
        self.list("dependencies")
            .iter()
            .filter_map(Value::as_str)
            .map(Id::absolute)
    }

    /// Whether the two differ in nothing but versions and `instances`.
    pub fn same_config(&self, other: &Self) -> bool {
        let keys = |app: &Self| app.body.iter().filter(|(k, _)| *k != "instances").count();
        let differs = |(key, value): (&String, &Value)| {
            key != "instances" && other.body.get(key) != Some(value)
        };
        keys(self) == keys(other) && !self.body.iter().any(differs)
    }

    /// The `portMappings` of its container, if any.
    pub fn mappings(&self) -> Option<&Vec<Value>> {
        self.body
            .get("container")
            .and_then(|c| c["portMappings"].as_array())
    }

    /// Ports by index, as (service port, name): port definitions or port mappings.
    pub fn service_ports(&self) -> Vec<(u64, Option<&str>)> {
        let (list, key) = match self.mappings() {
            Some(mappings) => (mappings.as_slice(), "servicePort"),
            None => (self.list("portDefinitions"), "port"),
        };
        list.iter()
            .map(|p| (p[key].as_u64().unwrap_or_default(), p["name"].as_str()))
            .collect()
    }

    /// Host ports that an offer must bring: 0 = any.
    pub fn host_ports(&self) -> Vec<u64> {
        if let Some(mappings) = self.mappings() {
            return mappings
                .iter()
                .map(|m| m["hostPort"].as_u64().unwrap_or_default())
                .collect();
        }
        let fixed = self.body.get("requirePorts") == Some(&json!(true));
        let port = |p: &Value| {
            if fixed {
                p["port"].as_u64().unwrap_or_default()
            } else {
                0
            }
        };
        self.list("portDefinitions").iter().map(port).collect()
    }

    /// Its health checks.
    pub fn health_checks(&self) -> Vec<HealthCheck> {
        self.list("healthChecks").iter().map(health_check).collect()
    }

    /// Its readiness checks (Marathon allows one).
    pub fn readiness_checks(&self) -> Vec<ReadinessCheck> {
        let ports = self.service_ports();
        let index = |name: &str| {
            ports
                .iter()
                .position(|(_, n)| *n == Some(name))
                .unwrap_or_default()
        };
        self.list("readinessChecks")
            .iter()
            .map(|check| readiness_check(check, index))
            .collect()
    }

    /// The definition as Marathon shows it.
    pub fn render(&self) -> Map<String, Value> {
        let mut body = self.render_bare();
        let info = json!({ "lastScalingAt": stamp::text(self.scaled), "lastConfigChangeAt": stamp::text(self.configured) });
        body.insert("versionInfo".to_owned(), info);
        body
    }

    /// The same without `versionInfo`, as in the answer to its creation.
    pub fn render_bare(&self) -> Map<String, Value> {
        let mut body = self.body.clone();
        body.insert("version".to_owned(), json!(stamp::text(self.version)));
        body
    }

    fn whole(&self, key: &str) -> usize {
        self.body
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or_default()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of tasks, never negative"
)]
fn whole(number: f64) -> usize {
    number as usize
}

fn health_check(check: &Value) -> HealthCheck {
    let number = |key: &str| check[key].as_f64().unwrap_or_default();
    let index = check["portIndex"]
        .as_u64()
        .and_then(|i| usize::try_from(i).ok());
    let fixed = check["port"].as_u64().and_then(|p| u16::try_from(p).ok());
    HealthCheck {
        protocol: check["protocol"].as_str().unwrap_or("HTTP").to_owned(),
        path: check["path"].as_str().unwrap_or("/").to_owned(),
        port: fixed
            .map(Port::Fixed)
            .or(index.map(Port::Index))
            .unwrap_or(Port::None),
        command: check["command"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        grace: number("gracePeriodSeconds"),
        interval: number("intervalSeconds"),
        timeout: number("timeoutSeconds"),
        delay: number("delaySeconds"),
        max_failures: check["maxConsecutiveFailures"].as_u64().unwrap_or_default(),
    }
}

fn readiness_check(check: &Value, index: impl Fn(&str) -> usize) -> ReadinessCheck {
    let codes = check["httpStatusCodesForReady"].as_array();
    ReadinessCheck {
        name: check["name"].as_str().unwrap_or_default().to_owned(),
        path: check["path"].as_str().unwrap_or("/").to_owned(),
        port: index(check["portName"].as_str().unwrap_or_default()),
        interval: check["intervalSeconds"].as_f64().unwrap_or(30.0),
        timeout: check["timeoutSeconds"].as_f64().unwrap_or(10.0),
        codes: codes
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .collect(),
        keep_last: check["preserveLastResponse"] == true,
    }
}
