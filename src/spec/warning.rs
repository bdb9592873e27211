//! Traps that a spec walks into, each with its way out. They stop nothing; they are said before it hurts.

use serde_json::Value;

use super::{Service, diff};
use crate::sentence::{Code, Sentence};

/// The warnings for a service that changes from `old` (what was applied last) to what it says now.
#[must_use]
pub fn warnings(service: &Service, old: Option<&Value>) -> Vec<Sentence> {
    let mut found = Vec::new();
    found.extend(health(service));
    found.extend(no_room(service));
    found.extend(mutable_tag(service));
    if let Some(old) = old {
        found.extend(restarts_anyway(service, old));
    }
    found
}

fn health(service: &Service) -> Option<Sentence> {
    let id = &service.id;
    let checks = service.spec.get("healthChecks").and_then(Value::as_array);
    let Some(checks) = checks.filter(|c| !c.is_empty()) else {
        return Some(Sentence::new(
            Code::NoHealthCheck,
            format!(
                "{id} has no health check: it counts as well once it runs, and a bad version cannot be ended without losing healthy instances; add healthChecks"
            ),
        ));
    };
    let names_ports = [
        "/portDefinitions",
        "/container/portMappings",
        "/container/docker/portMappings",
        "/ports",
    ]
    .iter()
    .any(|p| service.spec.pointer(p).is_some());
    let lost = |check: &Value| {
        check.get("portIndex").is_none()
            && check.get("port").is_none()
            && check.get("protocol").and_then(Value::as_str) != Some("COMMAND")
    };
    (!names_ports && checks.iter().any(lost)).then(|| {
        Sentence::new(
            Code::NoPortIndex,
            format!("{id} has a health check without portIndex and names no ports: Marathon fails every check and kills the tasks for ever; add \"portIndex\": 0 or portDefinitions"),
        )
    })
}

fn no_room(service: &Service) -> Option<Sentence> {
    let spec = &service.spec;
    let fixed = spec.get("requirePorts").and_then(Value::as_bool) == Some(true)
        || ["/container/portMappings", "/container/docker/portMappings"]
            .iter()
            .any(|p| {
                let mappings = spec.pointer(p).and_then(Value::as_array);
                mappings.is_some_and(|m| {
                    m.iter().any(|m| {
                        m.get("hostPort")
                            .and_then(Value::as_u64)
                            .is_some_and(|p| p > 0)
                    })
                })
            });
    let one_host = spec
        .get("constraints")
        .and_then(Value::as_array)
        .is_some_and(|list| {
            list.iter()
                .any(|c| c.get(1).and_then(Value::as_str) == Some("CLUSTER"))
        });
    let strategy = |key| {
        spec.pointer(&format!("/upgradeStrategy/{key}"))
            .and_then(Value::as_f64)
            .unwrap_or(1.0)
    };
    (fixed && one_host && strategy("minimumHealthCapacity") > 0.99).then(|| {
        Sentence::new(
            Code::NoRoom,
            format!("{} wants a fixed port on one host and keeps all old instances until the new ones run: there is no room for them; set upgradeStrategy.minimumHealthCapacity below 1", service.id),
        )
    })
}

fn mutable_tag(service: &Service) -> Option<Sentence> {
    let image = service
        .spec
        .pointer("/container/docker/image")
        .and_then(Value::as_str)?;
    if image.contains("@sha256:") {
        return None;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
    let moves = !tag.split(['-', '_']).any(fixed);
    moves.then(|| {
        Sentence::new(
            Code::MutableTag,
            format!("the tag of {image} ({}) can move: a rollback may not bring back the same image; name a version or a digest", service.id),
        )
    })
}

/// Whether a part of a tag names one build: a version (`1.2`, `v1.2.3`), a commit, a date, a number of three digits or more.
/// `3`, `20`, `latest` and `main` move on.
fn fixed(part: &str) -> bool {
    let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let version = part.strip_prefix('v').unwrap_or(part);
    let mut numbers = version.split('.');
    let dotted = numbers.next().is_some_and(number) && numbers.next().is_some_and(number);
    let commit = part.len() >= 7 && digits > 0 && part.bytes().all(|b| b.is_ascii_hexdigit());
    dotted || commit || (number(part) && digits >= 3)
}

fn restarts_anyway(service: &Service, old: &Value) -> Option<Sentence> {
    let changes = diff(old, &service.spec);
    let harmless = |path: &str| path.starts_with("/labels") || path.starts_with("/upgradeStrategy");
    (!changes.is_empty() && changes.iter().all(|c| harmless(&c.path))).then(|| {
        Sentence::new(
            Code::RestartsAnyway,
            format!(
                "only labels or upgradeStrategy of {} differ; Marathon restarts it all the same",
                service.id
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::{File, flatten};
    use super::*;

    fn codes(text: &str, old: Option<&Value>) -> Vec<String> {
        let files = [File {
            path: "specs/a.json".to_owned(),
            bytes: text.as_bytes().to_vec(),
        }];
        let services = flatten(&files).unwrap();
        warnings(&services[0], old)
            .into_iter()
            .map(|w| w.code)
            .collect()
    }

    #[test]
    fn each_trap_is_named() {
        assert_eq!(codes(r#"{"id": "/a"}"#, None), ["NO_HEALTH_CHECK"]);
        assert_eq!(
            codes(
                r#"{"id": "/a", "healthChecks": [{"protocol": "HTTP"}]}"#,
                None
            ),
            ["NO_PORT_INDEX"]
        );
        let good = r#"{"id": "/a", "healthChecks": [{"portIndex": 0}], "container": {"docker": {"image": "r:5000/x:1.2"}}}"#;
        assert!(codes(good, None).is_empty());
        for moves in [
            "x",
            "x:latest",
            "x:3",
            "x:20-alpine",
            "x:main",
            "x:v2",
            "x:slim",
        ] {
            assert_eq!(
                codes(&good.replace("x:1.2", moves), None),
                ["MUTABLE_TAG"],
                "{moves}"
            );
        }
        for stays in [
            "x:v1.2.3",
            "x:3.12-slim",
            "x:5145891",
            "x:main-5145891",
            "x:2026-11-28",
            "x:417",
            "x:3@sha256:00",
        ] {
            assert!(
                codes(&good.replace("x:1.2", stays), None).is_empty(),
                "{stays}"
            );
        }
        let old = serde_json::json!({"id": "/a", "labels": {"x": "1"}, "healthChecks": [{"portIndex": 0}]});
        let new = r#"{"id": "/a", "healthChecks": [{"portIndex": 0}]}"#;
        assert_eq!(codes(new, Some(&old)), ["RESTARTS_ANYWAY"]);
    }
}
