//! Where we are and where Marathon is: by settings, by what Marathon gave our task, by Mesos-DNS
//! (Mesos-DNS docs, "HTTP Service API").

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;

use crate::settings::Settings;
use crate::transport::{TransportError, client_of};

/// The record of the observer's own service, as the original looked it up.
const OWN_SERVICE: &str = "_dploy-observer._tcp.marathon.mesos.";

/// Marathon's base address, where a setting names it.
///
/// # Errors
/// When the setting is no address, or where there is none, that of Mesos-DNS.
pub fn marathon_in_settings(settings: &Settings) -> anyhow::Result<Option<String>> {
    match settings.marathon_url.as_deref().filter(|u| !u.is_empty()) {
        Some(url) => Ok(Some(address(url, "DPLOY_MARATHON_URL")?)),
        None => address(&settings.mesos_dns, "DPLOY_MESOS_DNS").map(|_| None),
    }
}

/// Marathon's base address as Mesos-DNS knows it: the leader's, with the port that Marathon has everywhere.
///
/// # Errors
/// When Mesos-DNS does not answer or does not know it.
pub async fn marathon_in_mesos_dns(mesos_dns: &str) -> anyhow::Result<String> {
    let answer = ask(mesos_dns, "/v1/hosts/marathon.mesos").await.map_err(|error| {
        anyhow!("Marathon's address is not known: Mesos-DNS at {mesos_dns} {error}; set DPLOY_MARATHON_URL, or DPLOY_MESOS_DNS to one that answers")
    })?;
    let ip = answer.as_array().and_then(|a| {
        a.iter()
            .find_map(|r| r["ip"].as_str().filter(|ip| !ip.is_empty()))
    });
    match ip {
        Some(ip) => Ok(format!("http://{ip}:8080")),
        None => {
            bail!("Mesos-DNS at {mesos_dns} does not know marathon.mesos; set DPLOY_MARATHON_URL")
        }
    }
}

/// The address under which GitHub and browsers reach us, without a slash at the end. `port` is where we listen.
///
/// # Errors
/// When a setting is no address.
pub async fn public_url(settings: &Settings, port: u16) -> anyhow::Result<String> {
    if let Some(url) = &settings.public_url {
        return address(url, "DPLOY_OBSERVER_PUBLIC_URL");
    }
    let has_certificate = settings.tls_cert.as_ref().is_some_and(|c| !c.is_empty());
    let scheme = if has_certificate { "https" } else { "http" };
    let by_marathon: Option<u16> = std::env::var("PORT0").ok().and_then(|p| p.parse().ok());
    if let Some(node) = &settings.public_node {
        let mut port = by_marathon.unwrap_or(port);
        if by_marathon.is_none()
            && let Ok(observers) = observers(&settings.mesos_dns).await
        {
            port = only_port(&observers).unwrap_or(port);
        }
        return Ok(format!("{scheme}://{node}:{port}"));
    }
    Ok(format!("{scheme}://localhost:{port}"))
}

/// GitHub's API, without a slash at the end.
///
/// # Errors
/// When the setting is no address.
pub fn github_api(settings: &Settings) -> anyhow::Result<String> {
    address(&settings.github_api, "DPLOY_OBSERVER_GITHUB_API")
}

/// Host and port of every observer that Mesos-DNS knows, each once; none where it knows none.
///
/// # Errors
/// When Mesos-DNS does not answer.
pub async fn observers(mesos_dns: &str) -> anyhow::Result<Vec<(String, u16)>> {
    let answer = ask(mesos_dns, &format!("/v1/services/{OWN_SERVICE}"))
        .await
        .with_context(|| {
            format!("observers are not known: set DPLOY_MESOS_DNS to a Mesos-DNS that answers (asked {mesos_dns})")
        })?;
    let Value::Array(records) = answer else {
        bail!("{mesos_dns} answers what is not Mesos-DNS's; set DPLOY_MESOS_DNS");
    };
    let mut found = Vec::new();
    for observer in records.iter().filter_map(observer) {
        if !found.contains(&observer) {
            found.push(observer);
        }
    }
    Ok(found)
}

/// What a record says; where there is nothing to say, Mesos-DNS answers one with empty fields.
fn observer(record: &Value) -> Option<(String, u16)> {
    let text = |key: &str| record[key].as_str().filter(|t| !t.is_empty());
    let host = text("host").or_else(|| text("ip"))?.trim_end_matches('.');
    let port = match record["port"].as_u64() {
        Some(number) => number.try_into().ok()?,
        None => text("port")?.parse().ok()?,
    };
    Some((host.to_owned(), port))
}

/// The port they have in common; several that differ name several observers, and none can be chosen.
fn only_port(observers: &[(String, u16)]) -> Option<u16> {
    let (_, first) = observers.first()?;
    observers.iter().all(|(_, p)| p == first).then_some(*first)
}

async fn ask(base: &str, path: &str) -> anyhow::Result<Value> {
    let http = client_of(base).timeout(Duration::from_secs(3)).build()?;
    let sent = http.get(format!("{}{path}", base.trim_end_matches('/')));
    let answer = sent.send().await.map_err(TransportError::from)?;
    if !answer.status().is_success() {
        bail!("answers {}", answer.status());
    }
    let answer = answer.json().await;
    answer.map_err(|_| anyhow!("answers what is not Mesos-DNS's"))
}

/// The address `url` that the setting `name` gives, without a slash at the end.
///
/// # Errors
/// When it is not of HTTP or HTTPS, or carries a user or a password.
pub fn address(url: &str, name: &str) -> anyhow::Result<String> {
    let parsed = reqwest::Url::parse(url)
        .with_context(|| format!("{name}={url:?} is no address; write it as http://host:port"))?;
    if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
        bail!("{name}={url:?} is no address; write it as http://host:port");
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        bail!("{name} must not carry a password; there are settings for that");
    }
    Ok(url.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_has_a_host_or_an_address() {
        let of = |host: &str, ip: &str, port: Value| {
            observer(&json!({"service": "x", "host": host, "ip": ip, "port": port}))
        };
        let found = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(
            of("a.mesos.", "10.0.0.1", json!("8849")),
            found("a.mesos", 8849)
        );
        assert_eq!(of("", "10.0.0.1", json!(8849)), found("10.0.0.1", 8849));
        for (host, ip, port) in [
            ("", "", "8849"),
            ("a", "", ""),
            ("a", "", "70000"),
            ("", "", ""),
        ] {
            assert_eq!(of(host, ip, json!(port)), None);
        }
    }

    #[test]
    fn one_port_is_taken_and_several_are_not() {
        let of = |ports: &[u16]| {
            let observers = ports.iter().map(|p| (format!("host-of-{p}"), *p));
            only_port(&observers.collect::<Vec<_>>())
        };
        assert_eq!(of(&[8849]), Some(8849));
        assert_eq!(of(&[1, 1]), Some(1));
        assert_eq!(of(&[1, 2]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn an_address_is_checked() {
        assert_eq!(address("http://a:1/", "X").unwrap(), "http://a:1");
        for bad in ["a:1", "ftp://a", "http://u:p@a", ""] {
            assert!(address(bad, "X").is_err(), "{bad}");
        }
    }
}
