//! What is seen of a rollout on a terminal: what turns while it goes on, lines that fit, and nothing left of it in the end.

use std::num::NonZeroU16;

use serde_json::json;

use crate::support::shell::{Shell, clone_of, line};
use crate::support::town::{Town, service};

/// Whether it is of what turns.
fn is_turning(c: char) -> bool {
    ('\u{2801}'..='\u{28ff}').contains(&c)
}

/// A town whose second deploy waits for offers, with a message of wide characters; its clone.
async fn waiting() -> (Town, Shell) {
    let specs = [
        ("web", service("/shop/web", 1, "")),
        ("api", service("/shop/api", 1, "")),
    ];
    let town = Town::with_settings(&specs, &["--deadline=60"]).await;
    let shell = clone_of(&town);
    offers(&town, false).await;
    town.spec("web", &service("/shop/web", 2, ""));
    town.write("dploy.app", "app_name: shop\ndeadline: 60\n");
    town.push("修复商店结账页面的错误 🎉🎉 and nothing that was not broken before");
    town.deploy_until(2, "it waits for offers", |d| d["state"] == "following")
        .await;
    (town, shell)
}

async fn offers(town: &Town, given: bool) {
    let fault = json!({"no_offers": !given});
    let (status, said) = town.marathon_send("POST", "/local/faults", &fault).await;
    assert_eq!(status, 200, "{said}");
}

/// The screen at the end. At no moment a line of a progress went on in the next one: each begins as such lines do, or as `others`.
fn screen(said: &str, columns: u16, others: &[&str]) -> String {
    let size = |n| NonZeroU16::new(n).unwrap();
    let mut terminal = vt100::Parser::new(size(40), size(columns), 0);
    let mut turned = false;
    for part in said.as_bytes().chunks(16) {
        terminal.process(part);
        for row in terminal.screen().rows(0, columns) {
            let turns = row.starts_with(is_turning);
            let signs = ["· ", "✔ ", "✖ ", "… ", "     "];
            let begins = |with: &&str| row.starts_with(*with) || with.starts_with(row.as_str());
            let known = turns || signs.iter().chain(others).any(begins);
            assert!(known, "{row:?} at {columns}: {said:?}");
            turned |= turns;
        }
    }
    assert!(turned, "nothing turned: {said:?}");
    let screen = terminal.screen();
    assert!(!screen.hide_cursor());
    screen.contents()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deploy_is_followed_in_lines_that_fit_and_nothing_that_turned_is_left() {
    for columns in [40, 80, 200] {
        let (town, shell) = waiting().await;
        // the answer goes elsewhere: what is seen is on standard error
        let run = format!("exec {} > out", line(&["run"]));
        let seen = "starting";
        let (code, said) = shell
            .watched(&run, columns, seen, offers(&town, true))
            .await;
        assert_eq!(code, 0, "{said}");
        let seen = screen(&said, columns, &["deploy #2"]);
        let lines: Vec<&str> = seen.lines().map(str::trim_end).collect();
        assert_eq!(lines.len(), 2, "{seen}");
        assert!(
            lines[0].starts_with("deploy #2  ") && lines[0].ends_with("  succeeded"),
            "{seen}"
        );
        assert!(lines[1].starts_with("✔  /shop/web  update"), "{seen}");
        let out = std::fs::read_to_string(town.clone.join("out")).unwrap();
        assert!(
            out.starts_with("#2 of ") && out.lines().count() == 1 && !out.contains('\u{1b}'),
            "{out:?}"
        );
        if columns == 200 {
            for part in ["0 of 1 services well", "修复商店结账页面的错误 🎉🎉 and"] {
                assert!(said.contains(part), "no {part:?} in {said}");
            }
        }
        std::fs::remove_file(town.clone.join("out")).unwrap();
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_progress_leaves_the_screen_to_the_question() {
    let (town, shell) = waiting().await;
    let run = format!("exec {}", line(&["run"]));
    let own = [
        "deploy #2",
        "Cancel deploy #2",
        "^C",
        "Go on looking?",
        "dploy: ",
        "`dploy status",
    ];
    let dialogue = [
        ("starting", "\u{3}"),
        ("Cancel deploy #2 of shop at http", "\u{3}"),
    ];
    let (code, said) = shell.converses(&run, &dialogue, 100).await;
    assert_eq!(code, 1, "{said}");
    let seen = screen(&said, 100, &own);
    assert!(!seen.contains(is_turning), "{seen}");
    let at = |text: &str| {
        seen.find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {seen}"))
    };
    assert!(at("/shop/web") < at("Cancel deploy #2"), "{seen}");
    assert!(
        at("Cancel deploy #2") < at("dploy: stopped looking; deploy #2 goes on"),
        "{seen}"
    );
    // what is looked at again can be left by -wait, and leaves as little
    let (code, said) = shell.typed(&["run", "-wait", "1"], "", 100).await;
    assert_eq!(code, 1, "{said}");
    let seen = screen(&said, 100, &own);
    assert!(
        !seen.contains(is_turning) && seen.contains("not followed after 1 s"),
        "{seen}"
    );
    offers(&town, true).await;
    town.ended(2).await;
    // who has a token is told how long it may take
    let (code, said) = shell
        .typed(&["redeploy", "-deploy", "1", "-y"], "", 120)
        .await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("fails after 60 s without progress"), "{said}");
    town.end().await;
}
