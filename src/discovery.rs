//! Where we are and where Marathon is: by settings, by what Marathon gave our task, by Mesos-DNS
//! (Mesos-DNS docs, "HTTP Service API").

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::settings::Settings;

/// The record of the observer's own service, as the original looked it up.
const OWN_SERVICE: &str = "_dploy-observer._tcp.marathon.mesos.";

/// Marathon's base address.
///
/// # Errors
/// When no setting names it and Mesos-DNS does not know it.
pub async fn marathon_url(settings: &Settings) -> anyhow::Result<String> {
    if let Some(url) = &settings.marathon_url {
        return checked(url, "DPLOY_MARATHON_URL");
    }
    let answer = ask(&settings.mesos_dns, "/v1/hosts/marathon.mesos").await.with_context(|| {
        format!("Marathon is not known: set DPLOY_MARATHON_URL, or DPLOY_MESOS_DNS to a Mesos-DNS that answers (asked {})", settings.mesos_dns)
    })?;
    let ip = answer.as_array().and_then(|a| {
        a.iter()
            .find_map(|r| r["ip"].as_str().filter(|ip| !ip.is_empty()))
    });
    match ip {
        Some(ip) => Ok(format!("http://{ip}:8080")),
        None => bail!(
            "Mesos-DNS at {} does not know marathon.mesos; set DPLOY_MARATHON_URL",
            settings.mesos_dns
        ),
    }
}

/// The address under which GitHub and browsers reach us, without a slash at the end. `port` is where we listen.
///
/// # Errors
/// When a setting is no address.
pub async fn public_url(settings: &Settings, port: u16) -> anyhow::Result<String> {
    if let Some(url) = &settings.public_url {
        return checked(url, "DPLOY_OBSERVER_PUBLIC_URL");
    }
    let by_marathon: Option<u16> = std::env::var("PORT0").ok().and_then(|p| p.parse().ok());
    if let Some(node) = &settings.public_node {
        let mut port = by_marathon.unwrap_or(port);
        if by_marathon.is_none()
            && let Ok(records) =
                ask(&settings.mesos_dns, &format!("/v1/services/{OWN_SERVICE}")).await
        {
            port = only_port(&records).unwrap_or(port);
        }
        return Ok(format!("http://{node}:{port}"));
    }
    Ok(format!("http://localhost:{port}"))
}

/// GitHub's API, without a slash at the end.
///
/// # Errors
/// When the setting is no address.
pub fn github_api(settings: &Settings) -> anyhow::Result<String> {
    checked(&settings.github_api, "DPLOY_OBSERVER_GITHUB_API")
}

/// The port of the record; several records name several observers, and none can be chosen.
fn only_port(records: &Value) -> Option<u16> {
    let mut ports = records.as_array()?.iter().filter_map(|r| {
        let port = r["port"].as_str().map_or_else(
            || r["port"].as_u64().map(|p| p.to_string()),
            |p| Some(p.to_owned()),
        );
        port.and_then(|p| p.parse().ok())
    });
    let first = ports.next()?;
    ports.all(|p| p == first).then_some(first)
}

async fn ask(base: &str, path: &str) -> anyhow::Result<Value> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let answer = http
        .get(format!("{}{path}", base.trim_end_matches('/')))
        .send()
        .await?
        .error_for_status()?;
    Ok(answer.json().await?)
}

fn checked(url: &str, name: &str) -> anyhow::Result<String> {
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
    fn one_record_gives_the_port_and_several_do_not() {
        assert_eq!(
            only_port(&json!([{"service": "x", "port": "8849"}])),
            Some(8849)
        );
        assert_eq!(only_port(&json!([{"port": "1"}, {"port": "2"}])), None);
        assert_eq!(
            only_port(&json!([{"service": "", "host": "", "ip": "", "port": ""}])),
            None
        );
    }

    #[test]
    fn an_address_is_checked() {
        assert_eq!(checked("http://a:1/", "X").unwrap(), "http://a:1");
        for bad in ["a:1", "ftp://a", "http://u:p@a", ""] {
            assert!(checked(bad, "X").is_err(), "{bad}");
        }
    }
}
