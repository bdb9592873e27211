//! The faults with a button for each.

use local_kit::fault::{FaultPage, Row, late, to_come};
use serde_json::json;

use crate::fault::FaultState;

/// The page of `/local/faults`.
pub fn page(state: &FaultState) -> FaultPage {
    FaultPage {
        server: "local Marathon",
        home: ("/ui/", "all apps"),
        whose: "of the Marathon on this machine",
        rows: rows(state),
        after: "",
        example: r#"{"down": true}"#.to_owned(),
    }
}

fn rows(state: &FaultState) -> Vec<Row> {
    let down = "Marathon is down, every connection is cut";
    let locked = "Every app is locked by somebody else's deployment";
    let no_offers = "Agents make no offers, nothing new starts";
    let meanwhile = "nothing answers, the tasks run on, and then a new leader knows no health";
    let away = state
        .restart
        .map(|restart| format!("away for {} ms", restart.away_ms));
    let restart = |away_ms: u64| json!({"restart": {"away_ms": away_ms}});
    let lost = "Changes are made, but the answer gets lost";
    vec![
        Row::switch(down, "", "down", state.down),
        Row::new("Marathon restarts", meanwhile, away)
            .button("away for 12 s", &restart(12_000))
            .button("for a minute", &restart(60_000))
            .button("at once", &restart(0)),
        Row::new("Answers come late", "", late(state.slow_ms))
            .button("500 ms", &json!({"slow_ms": 500}))
            .button("5 s", &json!({"slow_ms": 5000}))
            .button("at once", &json!({"slow_ms": 0})),
        count(lost, "lose_replies", state.lose_replies),
        refusals(state),
        Row::switch(locked, "", "locked", state.locked),
        Row::switch(no_offers, "", "no_offers", state.no_offers),
        count("Tasks crash as soon as they run", "crash", state.crash),
    ]
    .into_iter()
    .chain(of_mesos(state))
    .collect()
}

/// What is wrong with the Mesos below it.
fn of_mesos(state: &FaultState) -> [Row; 4] {
    let away = "Mesos agents cut every connection";
    let gone = "Mesos agents have no files, as after a clean-up";
    let forbidden = "Mesos agents forbid to read files";
    [
        Row::switch(away, "", "agent_away", state.agent_away),
        Row::switch(gone, "", "files_gone", state.files_gone),
        Row::switch(forbidden, "", "files_forbidden", state.files_forbidden),
        Row::new(
            "Mesos agents are slow with files",
            "",
            late(state.files_slow_ms),
        )
        .button("5 s", &json!({"files_slow_ms": 5000}))
        .button("at once", &json!({"files_slow_ms": 0})),
    ]
}

/// A row that counts down.
fn count(title: &'static str, name: &str, left: u32) -> Row {
    Row::new(title, "", to_come(left))
        .button("the next", &json!({ name: 1 }))
        .button("none", &json!({ name: 0 }))
}

fn refusals(state: &FaultState) -> Row {
    let now = state.refuse.as_ref();
    let now = now.map(|r| format!("{} to come: {} {}", r.times, r.status, r.message));
    let refuse = |status: u16, times: u32| json!({"refuse": {"status": status, "message": "refused on demand", "times": times}});
    Row::new("Changes are refused", "", now)
        .button("the next with 422", &refuse(422, 1))
        .button("the next with 503", &refuse(503, 1))
        .button("none", &refuse(422, 0))
}
