//! The OpenAPI document: a program that knows nothing else asks for everything in it.

use serde_json::{Value, json};
use test_kit::foreign::schemathesis;

use crate::support::town::{TOKEN, Town, service};

/// The document with what there is in this town, so that calls meet something; what would end the town meets nothing.
fn of(town: &Value, commits: &[String]) -> Value {
    let mut document = town.clone();
    let paths = document["paths"].as_object_mut().unwrap();
    // what never ends, and what GitHub alone may call
    paths.retain(|path, _| !["/live", "/dploy", "/logout"].contains(&path.as_str()));
    for (path, methods) in paths {
        for (method, operation) in methods.as_object_mut().unwrap() {
            let ends = method == "delete" || path.ends_with("/destroy");
            let parameters = operation["parameters"].as_array_mut().unwrap();
            parameters.retain(|p| p["name"] != "follow");
            for parameter in parameters {
                let known = match parameter["name"].as_str().unwrap() {
                    "id" if path.ends_with("/scale") => json!(["/shop/web", "shop", "none"]),
                    "id" if path.starts_with("/apps") && !ends => json!(["shop", "none"]),
                    "id" if path.starts_with("/apps") => json!(["none"]),
                    "n" => json!([1, 2, 77]),
                    "sha" | "to" => json!(commits),
                    _ => continue,
                };
                parameter["schema"] = json!({ "enum": known });
            }
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_knows_the_document_alone_finds_what_it_says() {
    let town = Town::with(&[("web", service("/shop/web", 1, ""))]).await;
    town.ended(1).await;
    town.spec("web", &service("/shop/web", 2, ""));
    let commit = town.push("the second");
    town.ended(2).await;
    let document = town.get("/openapi.json").await;
    assert_eq!(&document, dploy_observer::web::openapi());
    let file = town.dir.path().join("openapi.json");
    let commits = [commit.clone(), commit[..7].to_owned(), "0123456".to_owned()];
    std::fs::write(&file, of(&document, &commits).to_string()).unwrap();
    let arguments = [
        "run",
        file.to_str().unwrap(),
        "--url",
        town.url(),
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "8",
        "--seed",
        "1",
        "--request-timeout",
        "20",
        "--continue-on-failure",
        "--header",
        &format!("Authorization: Bearer {TOKEN}"),
    ];
    let said = schemathesis(
        town.dir.path().to_owned(),
        arguments.map(str::to_owned).to_vec(),
    )
    .await;
    if let Some((good, said)) = said {
        assert!(good, "{said}");
    }
    town.end().await;
}
