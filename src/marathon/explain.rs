//! Marathon's answers as sentences a person can act on.

use serde_json::Value;

use super::queue::QueueItem;
use super::wire::{LiveApp, RunningDeployment};
use crate::secret::plain;
use crate::sentence::{Code, Sentence};

/// A body that Marathon refused, with its paths and texts.
#[must_use]
pub fn refused(services: &[String], status: u16, body: &Value) -> Sentence {
    let what = match services {
        [one] => one.clone(),
        many => format!("the change of {}", many.join(", ")),
    };
    let mut texts: Vec<String> = Vec::new();
    for detail in body
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let path = detail
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        for error in detail
            .get("errors")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let field = field(path, services);
            texts.push(
                format!("{field} {}", error.as_str().unwrap_or_default())
                    .trim()
                    .to_owned(),
            );
        }
    }
    if let Some(details) = body.get("details").and_then(Value::as_str) {
        texts.push(details.to_owned());
    }
    if texts.is_empty() {
        texts.push(
            body.get("message")
                .and_then(Value::as_str)
                .unwrap_or("without a reason")
                .to_owned(),
        );
    }
    Sentence::new(
        Code::Rejected,
        plain(
            &format!(
                "Marathon refused {what}: {} (HTTP {status})",
                texts.join("; ")
            ),
            1000,
        ),
    )
}

/// A path such as `/(1)/upgradeStrategy/x` as a person says it; the number is of a service in the list that was sent.
fn field(path: &str, services: &[String]) -> String {
    let path = path.trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    // in a list of apps, or in that of a group
    let index = first
        .strip_prefix("apps")
        .unwrap_or(first)
        .strip_prefix('(')
        .and_then(|f| f.strip_suffix(')'))
        .and_then(|n| n.parse::<usize>().ok());
    match index.map(|i| services.get(i)) {
        Some(Some(service)) if services.len() > 1 => {
            format!("{service} {}", rest.replace('/', "."))
        }
        Some(_) => rest.replace('/', "."),
        None => path.replace('/', "."),
    }
}

/// A deployment of somebody holds a service.
#[must_use]
pub fn locked(service: &str, deployment: &RunningDeployment, by: &str) -> Sentence {
    let since = if deployment.version.is_empty() {
        String::new()
    } else {
        format!(", since {}", deployment.version)
    };
    Sentence::new(
        Code::Locked,
        format!(
            "{service} is being deployed by {by} (deployment {}{since}); it goes on when that one ends",
            deployment.id
        ),
    )
}

/// A service that no agent offers enough for.
#[must_use]
pub fn no_offers(item: &QueueItem) -> Sentence {
    let mut lacks: Vec<String> = Vec::new();
    let seen = item
        .rejects()
        .iter()
        .map(|r| r.processed)
        .max()
        .unwrap_or(0)
        .max(item.rejects().iter().map(|r| r.declined).sum());
    for reject in item.rejects().iter().filter(|r| r.declined > 0) {
        let what = match reject.reason.as_str() {
            "InsufficientCpus" => "lacked CPUs",
            "InsufficientMemory" => "lacked memory",
            "InsufficientDisk" => "lacked disk",
            "InsufficientGpus" => "lacked GPUs",
            "InsufficientPorts" => "lacked ports",
            "UnfulfilledRole" => {
                lacks.push(format!("{} {}", reject.declined, other_role(item)));
                continue;
            }
            "UnfulfilledConstraint" => "did not meet the constraints",
            other => other,
        };
        let needs = item.needs(&reject.reason).unwrap_or_default();
        lacks.push(format!("{} {what}{needs}", reject.declined));
    }
    let why = if lacks.is_empty() {
        format!("none of {} offers was enough", item.unused())
    } else {
        format!("of the last {seen} offers {}", lacks.join(", "))
    };
    Sentence::new(
        Code::NoOffers,
        format!("{} waits for resources: {why}", item.app()),
    )
}

/// Offers of other roles than are accepted, with those that there are.
fn other_role(item: &QueueItem) -> String {
    let offered = item.roles_offered();
    let there = if offered.is_empty() {
        String::new()
    } else {
        let roles: Vec<&str> = offered.into_iter().collect();
        format!("; there is {}", roles.join(" and "))
    };
    format!(
        "had another role (acceptedResourceRoles wants {}{there})",
        item.roles_wanted()
    )
}

/// A service whose tasks keep ending.
#[must_use]
pub fn crashing(app: &LiveApp, failures: u32) -> Sentence {
    // what a task of the version before said explains nothing
    let last = app.last_task_failure.as_ref();
    let last = last.filter(|f| f.version.as_str() >= app.configured());
    let (host, what) = last.map_or((String::new(), "no reason is known".to_owned()), |f| {
        (format!(" on {}", f.host), exit_text(&f.message, &f.state))
    });
    // who looks once sees the last failure and not how many there were
    let times = if failures > 1 {
        format!(" {failures} times")
    } else {
        String::new()
    };
    Sentence::new(
        Code::Crashing,
        plain(&format!("{} crashed{times}{host}: {what}", app.id), 1000),
    )
}

fn exit_text(message: &str, state: &str) -> String {
    let message = message.trim();
    if message.is_empty() {
        return state.to_owned();
    }
    match message.strip_prefix("Command exited with status ") {
        Some(rest) => format!("exit {rest}"),
        None => message.to_owned(),
    }
}

/// A service whose new tasks run but do not pass their health checks.
#[must_use]
pub fn unhealthy(app: &LiveApp, well: u32, wanted: u32) -> Sentence {
    let check = app
        .health_checks()
        .first()
        .map_or_else(|| "their health check".to_owned(), check_name);
    let cause = app
        .tasks
        .iter()
        .filter(|t| app.is_current(t))
        .find_map(|t| t.failure_cause());
    let cause = cause.map(str::to_owned).or_else(|| {
        let killed = app
            .last_task_failure
            .as_ref()
            .filter(|f| f.state == "TASK_KILLED")?;
        Some(killed.message.clone())
    });
    let cause = cause
        .filter(|c| !c.is_empty())
        .map(|c| format!(" (last: {c})"))
        .unwrap_or_default();
    Sentence::new(
        Code::Unhealthy,
        plain(
            &format!(
                "{well} of {wanted} new tasks of {} passed {check}{cause}",
                app.id
            ),
            1000,
        ),
    )
}

fn check_name(check: &Value) -> String {
    let protocol = check
        .get("protocol")
        .and_then(Value::as_str)
        .unwrap_or("HTTP");
    match protocol {
        "COMMAND" => "the health check command".to_owned(),
        p if p.contains("TCP") => "the TCP health check".to_owned(),
        p => {
            let p = p
                .trim_start_matches("MARATHON_")
                .trim_start_matches("MESOS_");
            format!(
                "{p} GET {}",
                check.get("path").and_then(Value::as_str).unwrap_or("/")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_names_the_field() {
        let body = json!({"message": "Invalid JSON", "details": [{"path": "/upgradeStrategy/minimumHealthCapacity", "errors": ["error.max"]}]});
        assert_eq!(
            refused(&["/a".to_owned()], 422, &body).sentence,
            "Marathon refused /a: upgradeStrategy.minimumHealthCapacity error.max (HTTP 422)"
        );
    }

    #[test]
    fn missing_cpus_are_counted() {
        let item = json!({"app": {"id": "/a", "cpus": 1000}, "count": 1, "delay": {"overdue": true}, "processedOffersSummary":
            {"unusedOffersCount": 9, "rejectSummaryLastOffers": [{"reason": "InsufficientCpus", "declined": 2, "processed": 2}]}});
        let item: QueueItem = serde_json::from_value(item).unwrap();
        assert!(item.waits_for_offers("2026-11-22T10:00:00.000Z"));
        assert_eq!(
            no_offers(&item).sentence,
            "/a waits for resources: of the last 2 offers 2 lacked CPUs (needs 1000)"
        );
    }

    #[test]
    fn a_role_that_nobody_has_is_named_with_those_that_are_there() {
        let queued = |roles: &[&str], offers: serde_json::Value| {
            let item = json!({"app": {"id": "/a", "acceptedResourceRoles": roles}, "count": 1, "delay": {"overdue": true},
                "lastUnusedOffers": offers, "processedOffersSummary":
                {"unusedOffersCount": 2, "rejectSummaryLastOffers": [{"reason": "UnfulfilledRole", "declined": 2, "processed": 2}]}});
            no_offers(&serde_json::from_value(item).unwrap()).sentence
        };
        assert_eq!(
            queued(
                &["prod"],
                json!([{"offer": {"resources": [{"name": "cpus", "role": "*"}, {"name": "cpus", "role": "slave_public"}]}}])
            ),
            "/a waits for resources: of the last 2 offers 2 had another role (acceptedResourceRoles wants prod; there is * and slave_public)"
        );
        assert_eq!(
            queued(&[], json!([])),
            "/a waits for resources: of the last 2 offers 2 had another role (acceptedResourceRoles wants *)"
        );
    }

    #[test]
    fn an_exit_text_is_quoted() {
        let app = json!({"id": "/a", "lastTaskFailure": {"host": "h", "message": "Command exited with status 127: sh: python4: not found", "state": "TASK_FAILED"}});
        let app = LiveApp::read(app).unwrap();
        assert_eq!(
            crashing(&app, 5).sentence,
            "/a crashed 5 times on h: exit 127: sh: python4: not found"
        );
    }
}
