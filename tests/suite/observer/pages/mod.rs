//! Pages say what matters, to whom it may be said, and survive what people write into commits.
//!
//! `cargo test pages_are_written_to_look_at -- --ignored` leaves them all in `target/pages/`.

mod every;
mod sample;

use std::path::Path;

use dploy_observer::access::{Person, Role};
use dploy_observer::web::html::{SCRIPT, STYLESHEET, assets};
use every::{app_seen_by, app_with_commit_url, pages};
use sample::sha;

const MESSAGE: &str = "Fix cart total";

const HOSTILE: &str = "</title><script>alert(1)</script><img src=x onerror=alert(2)>\" autofocus onfocus='x' \u{202e}gnihtyreve sesrever siht\u{2066}";

/// The names of all pages with sample data.
pub fn names() -> Vec<String> {
    let all = pages(MESSAGE, true).into_iter();
    all.map(|(name, _)| name).collect()
}

fn without_elements(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text
}

/// A tag without the values of its attributes.
fn names_of(tag: &str) -> String {
    tag.split('"').step_by(2).collect()
}

/// The start tags of `name`, with their attributes.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    html.split('<')
        .filter_map(|rest| rest.strip_prefix(name))
        .filter(|rest| rest.starts_with([' ', '>']))
        .map(|rest| &rest[..rest.find('>').unwrap()])
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(&tag[from..from + tag[from..].find('"')?])
}

/// How many scripts a page has: all of our own.
fn ours(name: &str) -> usize {
    3 + usize::from(name == "log" || name == "log-none")
}

#[test]
fn what_people_write_is_text_and_never_markup() {
    for operator in [false, true] {
        for (name, html) in pages(HOSTILE, operator) {
            let scripts = html.matches("<script").count();
            assert_eq!(scripts, ours(&name), "{name} has a script");
            assert!(!html.contains("<img"), "{name} has an image");
            for tag in html.split('<').skip(1) {
                let tag = names_of(tag.split('>').next().unwrap());
                assert!(!tag.contains(" onfocus="), "{name}: {tag}");
                assert!(!tag.contains(" autofocus"), "{name}: {tag}");
            }
        }
    }
    let all = pages(HOSTILE, true);
    let (_, app) = all.iter().find(|(name, _)| name == "app").unwrap();
    assert!(without_elements(app).contains("&#60;script&#62;alert(1)"));
}

#[test]
fn a_strict_content_security_policy_holds() {
    for (name, html) in pages(MESSAGE, true) {
        for tag in html.split('<').skip(1) {
            let tag = names_of(tag.split('>').next().unwrap());
            assert!(!tag.contains(" style="), "{name}: {tag}");
            assert!(!tag.contains(" on"), "{name}: {tag}");
            assert!(!tag.starts_with("style"), "{name}: {tag}");
        }
        // one of our own, and nothing within
        let script = tags(&html, "script");
        assert_eq!(script.len(), ours(&name), "{name}");
        for script in script {
            assert!(attribute(script, "src").unwrap().starts_with("/static/"));
        }
        assert!(html.contains("></script>"), "{name}");
        for link in tags(&html, "link") {
            assert!(attribute(link, "href").unwrap().starts_with('/'), "{link}");
        }
    }
    assert!(SCRIPT.len() <= 5000, "{} bytes of script", SCRIPT.len());
    for word in ["eval(", "innerHTML", "document.write", "http:", "https:"] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
    assert!(!STYLESHEET.contains("url(") && !STYLESHEET.contains("@import"));
}

#[test]
fn an_address_of_a_commit_that_is_no_web_address_is_no_link() {
    let all = pages(MESSAGE, true);
    let (_, app) = all.iter().find(|(name, _)| name == "app").unwrap();
    assert!(app.contains("href=\"https://github.com/acme/shop/commit/"));
    assert!(!app_with_commit_url("javascript:alert(1)").contains("javascript:"));
}

#[test]
fn a_page_tells_how_its_deploys_went_in_figures_and_in_a_chart() {
    let all = pages(MESSAGE, false);
    let (_, app) = all.iter().find(|(name, _)| name == "app-ok").unwrap();
    assert!(app.contains("7 days: "), "{app}");
    assert!(app.matches("<rect class=").count() > 3, "{app}");
    let (_, empty) = all.iter().find(|(name, _)| name == "app-empty").unwrap();
    assert!(!empty.contains("<rect"), "{empty}");
}

#[test]
fn only_an_operator_can_act() {
    for (name, html) in pages(MESSAGE, false) {
        let login = name == "login";
        assert!(!html.contains("href=\"/tokens\""), "{name} leads to tokens");
        let posts = tags(&html, "form")
            .iter()
            .filter(|f| f.contains("post"))
            .count();
        assert_eq!(posts, usize::from(login), "{name}");
        assert!(html.contains("/login?next=%2Fapps%2Fshop\""), "{name}");
        assert!(!html.contains("/rollback?"), "{name} links a rollback");
    }
    let act = |wanted: &str| {
        pages(MESSAGE, true)
            .iter()
            .any(|(_, html)| tags(html, "form").iter().any(|f| f.contains(wanted)))
    };
    for action in [
        "rollback",
        "deploy",
        "redeploy",
        "cancel",
        "resume",
        "lock",
        "unlock",
        "scale",
        "adopt",
        "destroy",
        "hook/register",
        "hook/repair",
        "hook/ping",
        "hook/remove",
    ] {
        assert!(act(&format!("/{action}\"")), "no form for {action}");
    }
}

#[test]
fn forms_are_shown_to_whose_role_and_apps_they_are_for() {
    let forms = |role, apps: Option<&str>| {
        let person = Person {
            name: "ana".to_owned(),
            role,
            apps: apps.map(|app| [app.parse().unwrap()].into()),
            proof: None,
        };
        let html = app_seen_by(person);
        let posts = |action: &str| html.contains(&format!("/apps/shop/{action}\""));
        (
            posts("lock"),
            posts("destroy"),
            html.contains("href=\"/tokens\""),
        )
    };
    assert_eq!(forms(Role::Viewer, None), (false, false, false));
    assert_eq!(forms(Role::Operator, None), (true, false, false));
    assert_eq!(forms(Role::Operator, Some("blog")), (false, false, false));
    assert_eq!(forms(Role::Admin, Some("shop")), (true, true, false));
    assert_eq!(forms(Role::Admin, None), (true, true, true));
}

#[test]
fn every_page_has_one_heading_a_title_and_a_way_to_skip() {
    for operator in [false, true] {
        for (name, html) in pages(MESSAGE, operator) {
            assert_eq!(tags(&html, "h1").len(), 1, "{name}");
            assert_eq!(tags(&html, "main").len(), 1, "{name}");
            assert_eq!(html.matches("<title>").count(), 1, "{name}");
            assert!(html.contains("href=\"#main\""), "{name}");
            assert!(html.contains("<html lang=\"en\">"), "{name}");
        }
    }
}

#[test]
fn every_field_has_a_label_and_every_id_is_unique() {
    for (name, html) in pages(MESSAGE, true) {
        let labels: Vec<&str> = tags(&html, "label")
            .into_iter()
            .filter_map(|l| attribute(l, "for"))
            .collect();
        for field in [tags(&html, "input"), tags(&html, "select")].concat() {
            if !matches!(
                attribute(field, "type"),
                Some("hidden" | "radio" | "checkbox")
            ) {
                let id = attribute(field, "id").unwrap();
                assert!(labels.contains(&id), "{name}: {field} has no label");
            }
        }
        let ids: Vec<&str> = html
            .split('<')
            .filter_map(|tag| attribute(tag.split('>').next().unwrap(), "id"))
            .collect();
        for id in &ids {
            assert_eq!(ids.iter().filter(|i| i == &id).count(), 1, "{name}: {id}");
        }
    }
}

#[test]
fn tables_say_what_they_are() {
    for (name, html) in pages(MESSAGE, true) {
        let tables = tags(&html, "table").len();
        assert_eq!(tags(&html, "caption").len(), tables, "{name}");
        for head in tags(&html, "th") {
            assert!(head.contains("scope="), "{name}: th{head}");
        }
    }
}

#[test]
fn a_commit_is_found_by_its_whole_id() {
    for (name, html) in pages(MESSAGE, false) {
        if ["overview", "app", "deploy-live", "events", "why"].contains(&name.as_str()) {
            let text = without_elements(&html);
            assert!(text.contains(sha('a').as_str()), "{name}");
        }
    }
}

#[test]
fn what_stands_in_the_way_is_said_wherever_one_decides() {
    let shown = ["overview", "app-gated", "hook", "rollback", "destroy"];
    for (name, html) in pages("nobody touches this", true) {
        if shown.contains(&name.as_str()) {
            assert!(html.contains("Locked"), "{name}");
            assert!(html.contains("Pinned"), "{name}");
            assert!(html.contains("nobody touches this"), "{name}");
        }
        assert!(html.contains("The webhook of blog is failing"), "{name}");
    }
}

#[test]
fn a_failure_is_answered_before_anything_else() {
    for (name, html) in pages(MESSAGE, true) {
        if ["app", "deploy-failed"].contains(&name.as_str()) {
            let main = &html[html.find("<main").unwrap()..];
            let first = &main[main.find("<section").unwrap()..main.find("</section").unwrap()];
            for part in [
                "UNHEALTHY",
                "0 of 3 new tasks",
                "Deployed last with success",
                "What to do",
            ] {
                assert!(first.contains(part), "{name} does not begin with {part}");
            }
        }
    }
}

#[test]
fn values_are_withheld_from_who_may_not_see_them() {
    let seen = |operator: bool| {
        let all = pages(MESSAGE, operator);
        all.into_iter().find(|(n, _)| n == "deploy-live").unwrap().1
    };
    assert!(seen(false).contains("values are shown to operators"));
    assert!(!seen(true).contains("values are shown to operators"));
}

#[test]
#[ignore = "writes the pages to target/pages to be looked at"]
fn pages_are_written_to_look_at() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../pages");
    std::fs::create_dir_all(target.join("static")).unwrap();
    for (name, _, bytes) in assets() {
        std::fs::write(target.join("static").join(name), bytes).unwrap();
    }
    let long = "A very long message ".repeat(25);
    for (kind, words, operator) in [
        ("rich", MESSAGE, true),
        ("anonymous", MESSAGE, false),
        ("hostile", HOSTILE, true),
        ("long", long.as_str(), true),
        ("solid", &"x".repeat(500), true),
    ] {
        for (name, html) in pages(words, operator) {
            let html = html.replace("=\"/static/", "=\"static/");
            std::fs::write(target.join(format!("{kind}-{name}.html")), html).unwrap();
        }
    }
}
