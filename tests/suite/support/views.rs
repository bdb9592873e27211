//! Everything that can be looked at: one list for the tests that walk it all (secrets, strangers, pages).

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

const fn closed(route: &'static str, path: &'static str, page: Option<&'static str>) -> View {
    View {
        route,
        path,
        operators: true,
        page,
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
    open("/apps/{id}/diff", "/apps/shop/diff?to=%23{n}", None),
    closed(
        "/apps/{id}/rollback",
        "/apps/shop/rollback?deploy=1",
        Some("rollback"),
    ),
    closed("/apps/{id}/{action}", "/apps/shop/deploy", Some("deploy")),
    closed(
        "/apps/{id}/{action}",
        "/apps/shop/redeploy?deploy=1",
        Some("redeploy"),
    ),
    closed("/apps/{id}/{action}", "/apps/shop/resume", Some("resume")),
    closed("/apps/{id}/{action}", "/apps/shop/unlock", Some("unlock")),
    closed(
        "/apps/{id}/{action}",
        "/apps/shop/scale?service=/shop/web&instances=2",
        Some("scale"),
    ),
    closed("/apps/{id}/{action}", "/apps/shop/adopt", Some("adopt")),
    closed("/apps/{id}/logs", "/apps/shop/logs", Some("log")),
    closed("/apps/{id}/destroy", "/apps/shop/destroy", Some("destroy")),
    closed("/tokens", "/tokens", Some("tokens")),
    closed("/tokens.json", "/tokens.json", None),
    closed("/sessions", "/sessions", Some("sessions")),
    closed("/sessions.json", "/sessions.json", None),
    open("/apps/{id}/hook", "/apps/shop/hook", Some("hook")),
    open("/apps/{id}/hook.json", "/apps/shop/hook.json", None),
    open("/events", "/events", Some("events")),
    open("/events.json", "/events.json", None),
    open("/events.jsonl", "/events.jsonl", None),
    open("/feed.atom", "/feed.atom", None),
    open("/feed.atom", "/feed.atom?app=shop", None),
    open("/openapi.json", "/openapi.json", None),
    open("/docs", "/docs", Some("api")),
    open("/why/{sha}", "/why/{sha}", Some("why")),
    open("/login", "/login", Some("login")),
    open("/static/{name}", "/static/app.css", None),
    open("/status", "/status", None),
    open("/register", "/register", None),
    open("/reset", "/reset", None),
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
