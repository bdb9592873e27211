//! What an app may be and may not be, in Marathon's words, case by case.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use test_kit::marathon::Marathon;

/// A line is an app that differs from a sound one by `with` and `without`, and what Marathon 1.8 answers to it.
const CASES: &str = include_str!("../data/app-validation.jsonl");

fn errors(answer: &Value) -> BTreeMap<String, Vec<String>> {
    let mut errors = BTreeMap::new();
    for detail in answer["details"].as_array().into_iter().flatten() {
        let mut texts: Vec<String> = serde_json::from_value(detail["errors"].clone()).unwrap();
        texts.sort();
        errors.insert(detail["path"].as_str().unwrap().to_owned(), texts);
    }
    errors
}

#[tokio::test]
async fn every_app_is_accepted_or_refused_as_by_marathon() {
    let marathon = Marathon::start().await;
    // what never starts is gone as soon as it is deleted
    let fault = json!({"no_offers": true});
    marathon.ok("POST", "/local/faults", fault).await;
    let mut count = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let mut app = json!({"id": "/val", "cmd": "sleep 1", "cpus": 0.1, "mem": 16});
        let fields = app.as_object_mut().unwrap();
        fields.extend(case["with"].as_object().unwrap().clone());
        for key in case["without"].as_array().into_iter().flatten() {
            fields.remove(key.as_str().unwrap());
        }
        let reply = marathon.call("POST", "/v2/apps", app).await;
        assert_eq!(
            json!(reply.status),
            case["status"],
            "{line}: {}",
            reply.body
        );
        if reply.status == 201 {
            let id = reply.body["id"].as_str().unwrap();
            marathon
                .ok("DELETE", &format!("/v2/apps{id}"), Value::Null)
                .await;
        } else {
            assert_eq!(reply.body["message"], case["message"], "{line}");
            let wanted = case.get("errors").cloned().unwrap_or(json!({}));
            assert_eq!(json!(errors(&reply.body)), wanted, "{line}");
        }
        count += 1;
    }
    assert!(count > 150, "{count} cases");
    marathon.stop().await;
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_what_is_wrong_with_it() {
    let marathon = Marathon::start().await;
    let truncated = "Unexpected end-of-input within/between Object entries";
    let comma =
        "Unexpected character ('}' (code 125)): was expecting double-quote to start field name";
    let quote =
        "Unexpected character (''' (code 39)): was expecting double-quote to start field name";
    for (body, status, details) in [
        (r#"{"id":"/val","#, 400, json!(truncated)),
        (r#"{"id":"/val","cmd":"sleep 1",}"#, 400, json!(comma)),
        (
            "hello",
            400,
            json!("Unrecognized token 'hello': was expecting ('true', 'false' or 'null')"),
        ),
        ("{'id':'/val'}", 400, json!(quote)),
        (
            r#"["x"]"#,
            422,
            json!([{"path": "/id", "errors": [r#"["x"] is not an object"#]}]),
        ),
        // the keys stay in the order in which they came
        (
            r#"[{"id": "/val", "cmd": "a b", "cpus": 1}]"#,
            422,
            json!([{"path": "/id", "errors": [r#"[{"id":"/val","cmd":"a b","cpus":1}] is not an object"#]}]),
        ),
    ] {
        let request = format!(
            "POST /v2/apps HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            marathon.address,
            body.len()
        );
        let answer = marathon.send(&request).await.unwrap();
        let (head, answer) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}")),
            "{body}: {head}"
        );
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer["message"], "Invalid JSON", "{body}");
        if details.is_null() {
            assert!(answer["details"].is_string(), "{answer}");
        } else {
            assert_eq!(answer["details"], details, "{body}");
        }
    }
    marathon.stop().await;
}

#[tokio::test]
async fn a_long_chain_of_dependencies_is_followed_to_its_end() {
    let marathon = Marathon::start().await;
    let apps: Vec<Value> = (0..10_000)
        .map(|n| json!({"id": format!("a{n}"), "cmd": "sleep 1", "dependencies": [format!("a{}", n + 1)]}))
        .collect();
    let group = json!({"id": "/chain", "apps": apps});
    let plan = marathon.ok("PUT", "/v2/groups?dryRun=true", group).await;
    // one step to start all, then one for each
    assert_eq!(plan["steps"].as_array().unwrap().len(), 10_001);
    marathon.stop().await;
}
