//! Ways to a Marathon that does not let everybody in, each over a real one.

use std::time::Duration;

use dploy_observer::marathon::{Client, Credentials, MarathonError, Watch};
use dploy_observer::secret::Secret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::proxies::{Gate, Trap};
use crate::support::town::{Town, quick, service};
use test_kit::marathon::Marathon;
use test_kit::wait::until;

const USER: &str = "dploy";
const PASSWORD: &str = "sentinel-password-31f7";
const WRONG: &str = "sentinel-wrong-4c0e";

fn given(base: &str, password: &str) -> Client {
    let credentials =
        Credentials::given(base, Some(USER), Some(&Secret::new(password)), None).unwrap();
    Client::new(
        base,
        credentials,
        dploy_observer::clock::system(),
        Duration::from_secs(5),
    )
    .unwrap()
}

/// Waits until the stream said more than `known`; answers how much it said.
async fn heard(watch: &Watch, known: u64) -> u64 {
    until("an event", async || {
        let now = *watch.changes().borrow();
        if now > known {
            Ok(now)
        } else {
            Err(now.to_string())
        }
    })
    .await
}

/// Makes an app, hears of it, and finds it in the list.
async fn works(client: &Client) {
    let stop = CancellationToken::new();
    let watch = Watch::start(client.clone(), stop.clone());
    let known = heard(&watch, 0).await;
    let app =
        json!([{"id": "/asleep", "cmd": "sleep 100", "instances": 0, "labels": {"of": "us"}}]);
    let services = ["/asleep".to_owned()];
    client
        .put_apps(&app.to_string(), &services, false)
        .await
        .unwrap();
    heard(&watch, known).await;
    let apps = client.apps_labelled("of", "us").await.unwrap();
    assert_eq!(apps.len(), 1);
    stop.cancel();
}

#[tokio::test]
async fn marathon_with_basic_authentication_is_used() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    works(&given(&gate.url(), PASSWORD)).await;
    assert_eq!(gate.refused(), 0);
    marathon.stop().await;
}

#[tokio::test]
async fn marathon_behind_dcos_is_used_with_one_login() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let client = given(&gate.url(), PASSWORD);
    assert_eq!(gate.logins(), 0, "nobody asked for anything yet");
    works(&client).await;
    assert_eq!((gate.logins(), gate.refused()), (1, 0));
    let token = gate.tokens().remove(0);
    let credentials =
        Credentials::given(&gate.url(), None, None, Some(&Secret::new(token))).unwrap();
    let client = Client::new(
        &gate.url(),
        credentials,
        dploy_observer::clock::system(),
        Duration::from_secs(5),
    )
    .unwrap();
    works(&client).await;
    assert_eq!((gate.logins(), gate.refused()), (1, 0));
    marathon.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_by_one_login_however_many_calls_wait_for_it() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let client = given(&gate.url(), PASSWORD);
    for round in 1..=3 {
        let calls = (0..40).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.deployments().await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        assert_eq!(gate.logins(), round);
        gate.expire();
    }
    marathon.stop().await;
}

#[tokio::test]
async fn a_change_that_met_an_expired_token_is_sent_again() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let client = given(&gate.url(), PASSWORD);
    client.info().await.unwrap();
    gate.expire();
    let app = json!([{"id": "/asleep", "cmd": "sleep 100", "instances": 0}]);
    client.put_apps(&app.to_string(), &[], false).await.unwrap();
    assert_eq!(
        marathon.get("/v2/apps/asleep").await["app"]["id"],
        "/asleep"
    );
    assert_eq!((gate.logins(), gate.refused()), (2, 1));
    marathon.stop().await;
}

#[tokio::test]
async fn the_event_stream_logs_in_again() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let client = given(&gate.url(), PASSWORD);
    client.info().await.unwrap();
    gate.expire();
    works(&client).await;
    assert_eq!(gate.logins(), 2);
    marathon.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_asked_once() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    let client = given(&gate.url(), WRONG);
    let calls = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.info().await })
    });
    for call in calls.collect::<Vec<_>>() {
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, MarathonError::Unauthorized(_)), "{error:?}");
        let said = format!("{error} {error:?}");
        for name in ["DPLOY_MARATHON_USER", "DPLOY_MARATHON_PASSWORD"] {
            assert!(said.contains(name), "{said}");
        }
        assert!(!said.contains(WRONG), "{said}");
    }
    assert_eq!((gate.logins(), gate.refused()), (1, 0));
    marathon.stop().await;
}

#[tokio::test]
async fn a_token_that_is_never_taken_costs_one_login_a_call() {
    let marathon = Marathon::start().await;
    let gate = Gate::dcos(&marathon.url(), USER, PASSWORD);
    gate.forget();
    let client = given(&gate.url(), PASSWORD);
    for logins in [2, 3, 4] {
        let error = client.info().await.unwrap_err();
        assert!(matches!(error, MarathonError::Unauthorized(_)), "{error:?}");
        assert_eq!(gate.logins(), logins);
    }
    assert_eq!(gate.refused(), 6);
    marathon.stop().await;
}

#[tokio::test]
async fn without_credentials_the_ways_to_give_them_are_named() {
    let marathon = Marathon::start().await;
    let gate = Gate::basic(&marathon.url(), USER, PASSWORD);
    let none = Client::new(
        &gate.url(),
        Credentials::None,
        dploy_observer::clock::system(),
        Duration::from_secs(5),
    )
    .unwrap();
    for client in [none, given(&gate.url(), WRONG)] {
        let error = client.info().await.unwrap_err();
        assert!(matches!(error, MarathonError::Unauthorized(_)), "{error:?}");
        let said = format!("{error} {error:?}");
        for name in ["_USER", "_PASSWORD", "_TOKEN"] {
            assert!(said.contains(&format!("DPLOY_MARATHON{name}")), "{said}");
        }
        assert!(!said.contains(WRONG), "{said}");
    }
    assert_eq!(gate.refused(), 2, "each was sent once");
    marathon.stop().await;
}

#[tokio::test]
async fn an_address_that_is_not_of_dcos_is_said() {
    let trap = Trap::new();
    let client = given(&format!("{}/marathon", trap.url()), PASSWORD);
    let error = client.info().await.unwrap_err();
    assert!(matches!(error, MarathonError::Unreachable(_)), "{error:?}");
    assert!(error.to_string().contains("DPLOY_MARATHON_URL"), "{error}");
    assert!(!format!("{error:?}").contains(PASSWORD), "{error:?}");
    let seen = trap.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        (&*seen[0].method, &*seen[0].path),
        ("POST", "/acs/api/v1/auth/login")
    );
    assert!(!seen[0].headers.contains_key("authorization"));
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(body, json!({"uid": USER, "password": PASSWORD}));
}

#[tokio::test]
async fn the_event_stream_of_a_standby_is_followed_to_the_leader() {
    let marathon = Marathon::start().await;
    let leader = Gate::leader(&marathon.url(), USER, PASSWORD);
    let standby = Gate::standby(&leader.url());
    works(&given(&standby.url(), PASSWORD)).await;
    assert_eq!(leader.refused(), 0);
    marathon.stop().await;
}

#[tokio::test]
async fn credentials_do_not_follow_to_who_is_not_the_leader() {
    let marathon = Marathon::start().await;
    let leader = Gate::leader(&marathon.url(), USER, PASSWORD);
    let trap = Trap::new();
    let standby = Gate::redirecting(&leader.url(), &trap.url());
    let client = given(&standby.url(), PASSWORD);
    let stop = CancellationToken::new();
    let _watch = Watch::start(client.clone(), stop.clone());
    // the second question for the leader means that the first answer was judged
    until("two attempts", async || {
        let asked = leader.asked("/v2/leader");
        if asked >= 2 {
            Ok(())
        } else {
            Err(asked.to_string())
        }
    })
    .await;
    stop.cancel();
    assert!(trap.seen().is_empty(), "{:?}", trap.seen());
    marathon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_deploys_through_dcos() {
    let specs = [("web", service("/shop/web", 1, ""))];
    let mut town = Town::unobserved(&specs, &[], quick()).await;
    let gate = Gate::dcos(&town.marathon_url, USER, PASSWORD);
    town.extra = vec![
        format!("--marathon-url={}", gate.url()),
        format!("--marathon-user={USER}"),
        format!("--marathon-password={PASSWORD}"),
    ];
    town.start().await;
    let ended = town.ended(1).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(town.version("/shop/web").await, "1");
    assert_eq!(gate.logins(), 1);
    gate.expire();
    town.spec("web", &service("/shop/web", 2, ""));
    town.push("second");
    let ended = town.ended(2).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(gate.logins(), 2);
    let log = format!("{:?}", town.events().await);
    assert!(
        !log.contains(PASSWORD) && !log.contains("sentinel.jwt"),
        "{log}"
    );
    town.end().await;
}
