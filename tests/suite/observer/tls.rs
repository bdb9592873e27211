//! The observer with a certificate of its own: TLS 1.2 and 1.3, HTTP/2, another certificate while it runs, a plain port that leads
//! on, and a webhook that GitHub delivers over it.

use std::path::Path;

use dploy_observer::secret::Secret;
use dploy_observer::tls;
use serde_json::{Value, json};
use test_kit::wait::until;

use crate::support::town::{PAT, TOKEN, Town, quick, service};

/// Writes a certificate for this host into a folder.
fn certificate(folder: &Path, host: &str) -> (String, Secret) {
    let (cert, key) = tls::made_for(host).unwrap();
    std::fs::write(folder.join("cert.pem"), &cert).unwrap();
    std::fs::write(folder.join("key.pem"), key.expose()).unwrap();
    (cert, key)
}

fn trusting(cert: &str) -> reqwest::ClientBuilder {
    let cert = reqwest::Certificate::from_pem(cert.as_bytes()).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([cert])
}

/// A town whose observer speaks TLS with a certificate of this folder; a free port beside takes plain HTTP.
async fn town(folder: &Path) -> (Town, u16) {
    let plain = crate::support::town::listener().await;
    let port = plain.local_addr().unwrap().port();
    drop(plain);
    let file = |name: &str| folder.join(name).display().to_string();
    let extra = [
        format!("--tls-cert={}", file("cert.pem")),
        format!("--tls-key={}", file("key.pem")),
        format!("--listen-plain=127.0.0.1:{port}"),
        "--public-node=localhost".to_owned(),
    ];
    let extra: Vec<&str> = extra.iter().map(String::as_str).collect();
    let specs = [("web", service("/shop/web", 1, ""))];
    (Town::founded(&specs, &extra, quick()).await, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_of_its_own_pushes_arrive_and_operators_act_and_plain_http_only_leads_there() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, _) = certificate(folder.path(), "localhost");
    let (town, plain) = town(folder.path()).await;
    let base = town.url().to_owned();
    assert!(base.starts_with("https://localhost:"), "{base}");
    let http = trusting(&cert).build().unwrap();
    until("the first deploy ends", async || {
        let answer = http
            .get(format!("{base}/apps/shop.json"))
            .bearer_auth(TOKEN);
        let page: Value = answer
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap_or_default();
        if page["live"].is_object() {
            Ok(())
        } else {
            Err(page.to_string())
        }
    })
    .await;
    // GitHub was told that it cannot check the certificate, and its ping arrived over it
    let hook = http
        .get(format!("{base}/apps/shop/hook.json"))
        .bearer_auth(TOKEN);
    let hook: Value = hook.send().await.unwrap().json().await.unwrap();
    assert!(
        hook["url"].as_str().unwrap().starts_with("https://"),
        "{hook}"
    );
    town.github.settle().await;
    let hooks = format!("{}/repos/acme/shop/hooks", town.github.url());
    let hooks = town
        .http
        .get(hooks)
        .bearer_auth(PAT)
        .header("user-agent", "test");
    let hooks: Value = hooks.send().await.unwrap().json().await.unwrap();
    assert_eq!(hooks[0]["config"]["insecure_ssl"], "1", "{hooks}");
    assert_eq!(hooks[0]["last_response"]["code"], 200, "{hooks}");
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("over TLS");
    town.github.settle().await;
    until("it is live", async || {
        let answer = http
            .get(format!("{base}/apps/shop.json"))
            .send()
            .await
            .unwrap();
        let page: Value = answer.json().await.unwrap();
        if page["live"]["commit"] == *commit {
            Ok(())
        } else {
            Err(page.to_string())
        }
    })
    .await;
    // the rollback by API, and a login whose cookie is this host's alone
    let rollback = http
        .post(format!("{base}/apps/shop/rollback"))
        .bearer_auth(TOKEN);
    let answer = rollback.json(&json!({"to": "#1"})).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let login = http.post(format!("{base}/login"));
    let login = login
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={TOKEN}&next=/"))
        .send()
        .await
        .unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-dploy_session") && cookie.contains("Secure"),
        "{cookie}"
    );
    // it is no host of ours alone: nothing is promised for its other ports
    assert!(!login.headers().contains_key("strict-transport-security"));
    protocols(folder.path(), &cert, &base).await;
    // who does not know the certificate does not come in
    assert!(
        town.http
            .get(format!("{base}/healthz"))
            .send()
            .await
            .is_err()
    );
    plain_leads_there(&http, plain, &base).await;
    town.end().await;
}

/// HTTP/2 and 1.1, TLS 1.2 and 1.3.
async fn protocols(folder: &Path, cert: &str, base: &str) {
    // curl speaks HTTP/2 where it is offered
    for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let curl = std::process::Command::new("curl")
            .args([
                "-sS",
                flag,
                "--noproxy",
                "*",
                "-o",
                "/dev/null",
                "-w",
                "%{http_version}",
            ])
            .arg("--cacert")
            .arg(folder.join("cert.pem"))
            .arg(format!("{base}/apps.json"))
            .output()
            .expect("curl is missing");
        let said = String::from_utf8_lossy(&curl.stdout) + String::from_utf8_lossy(&curl.stderr);
        assert_eq!(said, version);
    }
    for old in [
        reqwest::tls::Version::TLS_1_2,
        reqwest::tls::Version::TLS_1_3,
    ] {
        let client = trusting(cert)
            .tls_version_min(old)
            .tls_version_max(old)
            .build()
            .unwrap();
        let answer = client.get(format!("{base}/healthz")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{old:?}");
    }
}

/// Plain HTTP beside it: reads are led on, the webhook is taken, and nothing acts.
async fn plain_leads_there(http: &reqwest::Client, plain: u16, base: &str) {
    // plain HTTP beside it
    let plain = format!("http://127.0.0.1:{plain}");
    let led = http
        .get(format!("{plain}/apps/shop?before=%239"))
        .send()
        .await
        .unwrap();
    assert_eq!(led.status(), 308);
    assert_eq!(
        led.headers()["location"],
        format!("{base}/apps/shop?before=%239")
    );
    let acts = http
        .post(format!("{plain}/apps/shop/lock"))
        .bearer_auth(TOKEN);
    let acts = acts.json(&json!({"reason": "x"})).send().await.unwrap();
    assert_eq!(acts.status(), 403);
    assert_eq!(acts.json::<Value>().await.unwrap()["code"], "plain_http");
    let unsigned = http
        .post(format!("{plain}/dploy"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(unsigned.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_certificate_is_shown_from_then_on_and_no_connection_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (first, _) = certificate(folder.path(), "localhost");
    let (town, _) = town(folder.path()).await;
    let base = town.url().to_owned();
    let kept = trusting(&first).http1_only().build().unwrap();
    let alive = async |client: &reqwest::Client| {
        let answer = client.get(format!("{base}/healthz")).send().await;
        answer.is_ok_and(|a| a.status() == 200)
    };
    assert!(alive(&kept).await);
    let (second, _) = certificate(folder.path(), "localhost");
    until("the second certificate is shown", async || {
        // the connection that there is stays what it was
        assert!(alive(&kept).await);
        let fresh = trusting(&second).build().unwrap();
        if alive(&fresh).await {
            Ok(())
        } else {
            Err("the first one still is".to_owned())
        }
    })
    .await;
    town.end().await;
}
