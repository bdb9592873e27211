//! Everything that can be looked at: one list for the tests that walk it all (secrets, strangers, pages), held against the routes.

use std::collections::BTreeSet;

use super::town::{TOKEN, Town, quick, service, until};

/// Something that can be looked at.
pub struct View {
    /// As the router has it.
    pub route: &'static str,
    /// What is asked, with `{n}` for a deploy and `{sha}` for a commit of the app `shop`.
    path: &'static str,
    /// Whether only an operator may.
    pub operators: bool,
    /// Names of its pages in `pages` begin so; none for what is never a page.
    pub page: Option<&'static str>,
}

const fn open(route: &'static str, path: &'static str, page: Option<&'static str>) -> View {
    View {
        route,
        path,
        operators: false,
        page,
    }
}

const fn closed(route: &'static str, path: &'static str, page: &'static str) -> View {
    View {
        route,
        path,
        operators: true,
        page: Some(page),
    }
}

/// A view of each route, and more where one route shows different things.
pub const VIEWS: &[View] = &[
    open("/", "/", Some("overview")),
    open("/apps", "/apps", Some("overview")),
    open("/apps.json", "/apps.json", None),
    open("/apps/{id}", "/apps/shop", Some("app")),
    open("/apps/{id}", "/apps/shop.json", None),
    open("/apps/{id}", "/apps/none", Some("problem")),
    open(
        "/apps/{id}/deploys/{n}",
        "/apps/shop/deploys/{n}",
        Some("deploy"),
    ),
    open(
        "/apps/{id}/deploys/{n}",
        "/apps/shop/deploys/{n}.json",
        None,
    ),
    closed(
        "/apps/{id}/rollback",
        "/apps/shop/rollback?deploy=1",
        "rollback",
    ),
    closed("/apps/{id}/destroy", "/apps/shop/destroy", "destroy"),
    open("/apps/{id}/hook", "/apps/shop/hook", Some("hook")),
    open("/apps/{id}/hook.json", "/apps/shop/hook.json", None),
    open("/events", "/events", Some("events")),
    open("/events.json", "/events.json", None),
    open("/events.jsonl", "/events.jsonl", None),
    open("/why/{sha}", "/why/{sha}", Some("why")),
    open("/login", "/login", Some("login")),
    open("/static/{name}", "/static/app.css", None),
    open("/status", "/status", None),
    open("/healthz", "/healthz", None),
    open("/readyz", "/readyz", None),
];

impl View {
    /// The paths to ask for, where the app has this many deploys.
    pub fn paths(&self, deploys: u32, commit: &str) -> Vec<String> {
        let path = self.path.replace("{sha}", commit);
        if !path.contains("{n}") {
            return vec![path];
        }
        let each = (1..=deploys).map(|n| path.replace("{n}", &n.to_string()));
        each.collect()
    }
}

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
    let routes = routes();
    assert!(routes.len() > 15, "{routes:?}");
    assert_eq!(
        walked, routes,
        "a route that answers GET has a place in VIEWS (tests/suite), and nothing else has"
    );
}

#[test]
fn every_page_is_one_of_those_that_are_looked_at() {
    let known: BTreeSet<&str> = VIEWS.iter().filter_map(|v| v.page).collect();
    let shown = crate::pages::names();
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
    const SHOWN: [&str; 5] = ["/login", "/static/{name}", "/status", "/healthz", "/readyz"];
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
