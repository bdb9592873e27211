//! Everything that can be looked at, held against the routes, and asked for as a stranger and as an operator.

use std::collections::BTreeSet;

use crate::support::town::{TOKEN, Town, quick, service};
use crate::support::views::{VIEWS, View};
use test_kit::wait::until;

/// The routes that can be looked at, as the router lists them.
fn routes() -> BTreeSet<String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/routes.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let all = source.split(".route(").skip(1).filter_map(|rest| {
        let route = rest.split('"').nth(1)?;
        // as far as the next route, or the end of them
        let handlers = rest.split(".fallback(").next()?;
        handlers.contains("get(").then(|| route.to_owned())
    });
    all.collect()
}

#[test]
fn whatever_can_be_looked_at_is_walked_by_the_tests() {
    let walked: BTreeSet<String> = VIEWS.iter().map(|v| v.route.to_owned()).collect();
    let mut routes = routes();
    // it never ends: `live` listens to it
    assert!(routes.remove("/live"));
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(
        walked, routes,
        "a route that answers GET has a place in VIEWS (tests/suite/support), and nothing else has"
    );
}

#[test]
fn every_page_is_one_of_those_that_are_looked_at() {
    let known: BTreeSet<&str> = VIEWS.iter().filter_map(|v| v.page).collect();
    let shown = super::pages::names();
    let shown_as = |page: &str| {
        let begins = |name: &String| {
            name.strip_prefix(page)
                .is_some_and(|r| r.is_empty() || r.starts_with('-'))
        };
        shown.iter().any(begins)
    };
    for page in &known {
        assert!(
            shown_as(page),
            "the route of {page} has no page with sample data"
        );
    }
    for name in &shown {
        // `destroyed` answers a POST
        let page = name.split('-').next().unwrap();
        assert!(
            known.contains(page) || page == "destroyed",
            "{name} is the page of no route"
        );
    }
}

async fn status(town: &Town, path: &str, token: Option<&str>) -> u16 {
    let request = town.http.get(format!("{}{path}", town.url()));
    let request = request.header("accept", "application/json");
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    request.send().await.unwrap().status().as_u16()
}

/// What each view answers to a stranger and to an operator.
async fn looked_at(town: &Town, commit: &str) -> Vec<(&'static View, String, u16, u16)> {
    let mut seen = Vec::new();
    for view in VIEWS {
        for path in view.paths(1, commit) {
            let stranger = status(town, &path, None).await;
            let operator = status(town, &path, Some(TOKEN)).await;
            seen.push((view, path, stranger, operator));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_observer_shows_a_stranger_its_health_and_the_login_and_nothing_else() {
    const SHOWN: [&str; 4] = ["/login", "/static/{name}", "/healthz", "/readyz"];
    let specs = [("web", service("/shop/web", 1, ""))];
    let town = Town::founded(&specs, &["--private=true"], quick()).await;
    until("the first deploy is there", async || {
        match status(&town, "/apps/shop/deploys/1.json", Some(TOKEN)).await {
            200 => Ok(()),
            other => Err(other.to_string()),
        }
    })
    .await;
    let commit = town.git(&["rev-parse", "HEAD"]);
    for (view, path, stranger, operator) in looked_at(&town, &commit).await {
        let wanted = if SHOWN.contains(&view.route) {
            operator
        } else {
            401
        };
        assert_eq!(stranger, wanted, "{path} for a stranger");
        assert_ne!(operator, 401, "{path} for an operator");
    }
    town.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_decides_only_an_operator_looks() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    let commit = town.git(&["rev-parse", "HEAD"]);
    for (view, path, stranger, operator) in looked_at(&town, &commit).await {
        let wanted = if view.operators { 401 } else { operator };
        assert_eq!(stranger, wanted, "{path} for a stranger");
    }
    town.end().await;
}
