//! Documents are kept true: tables, commands and paths in them are compared with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dploy_observer::settings::Settings;
use serde_json::{Value, json};

const DOCUMENTS: [&str; 4] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The text under a heading, up to the next one of the same or a higher level.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let start = document.find(&format!("\n{heading}\n")).unwrap() + heading.len() + 2;
    let mut end = start;
    for line in document[start..].split_inclusive('\n') {
        let hashes = line.chars().take_while(|c| *c == '#').count();
        if (1..=level).contains(&hashes) && line[hashes..].starts_with(' ') {
            break;
        }
        end += line.len();
    }
    &document[start..end]
}

/// The rows of the tables in a text, without their heads.
fn rows(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let rule = |line: &str| line.starts_with("|-");
    lines
        .iter()
        .enumerate()
        .filter(|(i, line)| {
            line.starts_with('|') && !rule(line) && !lines.get(i + 1).is_some_and(|next| rule(next))
        })
        .map(|(_, line)| *line)
        .collect()
}

/// What stands between single backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .collect()
}

fn all_sources(dir: &Path, found: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all_sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn the_readme_lists_every_setting_as_the_program_has_it() {
    let readme = read("README.md");
    let listed = rows(section(&readme, "### Settings"));
    let settings = Settings::table();
    for (line, [flag, environment, default, meaning]) in listed.iter().zip(&settings) {
        let default = if default.is_empty() {
            String::new()
        } else {
            format!("`{default}` ")
        };
        assert_eq!(
            *line,
            format!("| `{flag}` | `{environment}` | {default}| {meaning} |")
        );
    }
    assert_eq!(listed.len(), settings.len(), "one row for each setting");
}

fn help_of_dploy() -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_dploy"))
        .arg("-h")
        .env("COLUMNS", "200")
        .output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn the_readme_lists_every_command_of_dploy_as_its_help_does() {
    let help = help_of_dploy();
    let commands = help.split("Commands:").nth(1).unwrap();
    let commands = commands.split("Options:").next().unwrap().lines();
    let wanted: Vec<String> = commands
        .filter_map(|l| l.strip_prefix("  ")?.split_once(' '))
        .filter(|(name, _)| *name != "help")
        .map(|(name, about)| format!("| `{name}` | {} |", about.trim()))
        .collect();
    assert!(wanted.len() >= 18, "{help}");
    let readme = read("README.md");
    assert_eq!(rows(section(&readme, "### Commands")), wanted);
}

#[test]
fn the_readme_lists_every_variable_of_dploy() {
    let help = help_of_dploy();
    let variables = help.split("[env: ").skip(1);
    let variables: BTreeSet<&str> = variables
        .filter_map(|v| v.split([']', '=']).next())
        .collect();
    let readme = read("README.md");
    let table = rows(section(&readme, "### Where things are"));
    let listed: BTreeSet<&str> = table.iter().map(|row| quoted(row)[1]).collect();
    assert_eq!(listed, variables);
    for row in table {
        let flag = quoted(row)[0];
        assert!(help.contains(&format!("-{flag} ")), "{flag}");
    }
}

#[test]
fn the_readme_lists_every_route() {
    let routes = read("src/web/routes.rs");
    let wanted: BTreeSet<&str> = routes
        .split(".route(")
        .skip(1)
        .filter_map(|rest| rest.split('"').nth(1))
        .collect();
    let readme = read("README.md");
    let mut listed = BTreeSet::new();
    for row in rows(section(&readme, "## HTTP surface")) {
        let cell = row.split('|').nth(1).unwrap();
        for call in quoted(cell) {
            let (method, path) = call.split_once(' ').unwrap();
            assert!(["GET", "POST", "DELETE"].contains(&method), "{call}");
            listed.insert(path);
        }
    }
    assert_eq!(listed, wanted);
}

#[test]
fn the_actions_of_the_readme_exist() {
    let readme = read("README.md");
    let code = read("src/web/operate.rs") + &read("src/web/hook.rs");
    let surface = section(&readme, "## HTTP surface");
    for path in ["/apps/{id}/{action}`", "/apps/{id}/hook/{action}`"] {
        let row = surface.lines().find(|l| l.contains(path)).unwrap();
        let actions = quoted(row.split('|').nth(3).unwrap());
        assert!(actions.len() >= 4, "{row}");
        for action in actions {
            assert!(code.contains(&format!("\"{action}\"")), "{action}");
        }
    }
}

#[test]
fn every_code_of_the_readme_is_one_of_the_programs_and_none_is_missing() {
    let readme = read("README.md");
    let mut source = String::new();
    all_sources(&root().join("src"), &mut source);
    let explained: BTreeSet<&str> =
        rows(section(&readme, "## What is said when it does not go well"))
            .into_iter()
            .map(|row| quoted(row)[0])
            .collect();
    for code in &explained {
        assert!(source.contains(&format!("\"{code}\"")), "{code}");
    }
    let ways_out = read("src/web/html/part.rs");
    let ways_out = ways_out.split("fn way_out").nth(1).unwrap();
    let ways_out = ways_out.split("\n}").next().unwrap();
    let known = ways_out
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|t| t.len() > 4 && t.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'));
    for code in known {
        assert!(explained.contains(code), "{code} is not in the README");
    }
}

#[test]
fn the_readme_shows_the_welcome_of_the_local_world() {
    let readme = read("README.md");
    let code = read("src/local/world.rs");
    for line in section(&readme, "## Try it on this machine").lines() {
        let words = line.trim().replace("dploy-local/hello", "{clone}");
        let literal = [
            "sed -i",
            "git -C",
            "The local world",
            "A first push",
            "Ctrl-C",
        ];
        if literal.iter().any(|l| words.starts_with(l)) {
            assert!(
                code.contains(&words),
                "{words} is not what the program prints"
            );
        }
    }
    assert!(readme.contains("cargo run --release --bin observer -- local"));
    assert!(readme.contains("\ncargo test --locked\n"));
    assert!(
        read(".ci/run").contains("\ncargo test --locked\n"),
        "CI runs the tests as the README says"
    );
}

#[test]
fn the_architecture_has_the_layers_of_the_library() {
    let library = read("src/lib.rs");
    let wanted: Vec<&str> = library
        .lines()
        .filter_map(|l| l.strip_prefix("//! "))
        .filter(|l| l.starts_with('|'))
        .collect();
    assert!(wanted.len() > 10);
    let architecture = read("ARCHITECTURE.md");
    assert!(
        architecture.contains(&wanted.join("\n")),
        "the table of layers differs from src/lib.rs"
    );
}

#[test]
fn the_architecture_explains_every_event_and_every_field() {
    let architecture = read("ARCHITECTURE.md");
    let explained: Vec<Vec<&str>> = rows(section(&architecture, "## The log"))
        .into_iter()
        .map(quoted)
        .collect();
    let mut kinds = BTreeSet::new();
    for entry in std::fs::read_dir(root().join("tests/data/events")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let event: Value = serde_json::from_str(&text).unwrap();
        let kind = event["kind"].as_str().unwrap().to_owned();
        let row = explained
            .iter()
            .find(|row| row[0] == kind)
            .unwrap_or_else(|| panic!("{kind} is not in the table of events"));
        for field in event["payload"].as_object().unwrap().keys() {
            assert!(
                row[1..].contains(&field.as_str()),
                "{kind}: {field} is not explained"
            );
        }
        kinds.insert(kind);
    }
    let listed: BTreeSet<String> = explained.iter().map(|row| row[0].to_owned()).collect();
    assert_eq!(listed, kinds);
}

#[test]
fn paths_in_documents_exist() {
    const KNOWN: [&str; 9] = [
        ".rs", ".md", ".json", ".sql", ".toml", ".html", ".css", ".py", ".yml",
    ];
    for document in DOCUMENTS {
        let text = read(document);
        for path in quoted(&text) {
            // specs/ is of the repositories that are deployed; / begins a route
            let ours = path.contains('/')
                && !path.starts_with('/')
                && !path.starts_with("specs/")
                && !path.contains([' ', '*', '<', '{', '$', '…'])
                && !path.contains("://")
                && (KNOWN.iter().any(|e| path.ends_with(e)) || path.ends_with('/'));
            if ours {
                assert!(root().join(path).exists(), "{document}: {path}");
            }
        }
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            // pictures are taken of the running program
            if !target.contains("://") && !target.starts_with("docs/") {
                assert!(root().join(target).exists(), "{document}: {target}");
            }
        }
    }
}

#[test]
fn the_image_is_built_from_what_is_there() {
    let dockerfile = read("Dockerfile");
    let ignored = read(".dockerignore");
    let mut sources = Vec::new();
    for line in dockerfile.lines().filter_map(|l| l.strip_prefix("COPY ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words[0].starts_with("--from") {
            sources.extend_from_slice(&words[..words.len() - 1]);
        }
    }
    assert!(sources.len() >= 6, "{sources:?}");
    for source in sources {
        assert!(root().join(source).exists(), "{source}");
        assert!(
            ignored.lines().any(|l| l == format!("!{source}")),
            ".dockerignore keeps {source} out"
        );
    }
    let user = dockerfile.lines().find_map(|l| l.strip_prefix("USER "));
    assert!(
        user.unwrap()
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b':'),
        "a numeric user"
    );
    for line in [
        "EXPOSE 8888",
        "ENTRYPOINT [\"observer\"]",
        "ENV DPLOY_OBSERVER_DATA=/data",
    ] {
        assert!(dockerfile.lines().any(|l| l == line), "{line}");
    }
}

#[test]
fn the_marathon_spec_is_a_template_for_one_observer_at_a_time() {
    let spec: Value = serde_json::from_str(&read("observer.json")).unwrap();
    let parameters = [
        "DPLOY_PUBLIC_NODE",
        "DPLOY_OBSERVER_GITHUB_PAT",
        "DPLOY_OBSERVER_GITHUB_OWNER",
        "DPLOY_OBSERVER_GITHUB_REPO",
    ];
    let environment: BTreeSet<String> = Settings::table()
        .into_iter()
        .map(|s| s[1].clone())
        .collect();
    for parameter in parameters {
        assert!(environment.contains(parameter), "{parameter} is no setting");
        assert_eq!(spec["env"][parameter], format!("<{parameter}>"));
    }
    assert_eq!(spec["id"], "/dploy-observer");
    assert_eq!(spec["instances"], 1);
    assert_eq!(spec["upgradeStrategy"]["minimumHealthCapacity"], 0);
    assert_eq!(spec["upgradeStrategy"]["maximumOverCapacity"], 0);
    assert_eq!(spec["healthChecks"][0]["path"], "/healthz");
    assert_eq!(spec["healthChecks"][0]["portIndex"], 0);
    assert_eq!(spec["container"]["portMappings"][0]["name"], "http");
    assert_eq!(spec["container"]["portMappings"][0]["containerPort"], 8888);
    // Marathon refuses a persistent volume on the public node: resources of a role cannot be reserved for it
    assert_eq!(spec["acceptedResourceRoles"], json!(["slave_public"]));
    let volume = &spec["container"]["volumes"][0];
    assert_eq!(volume["containerPath"], "/data");
    let folder = volume["hostPath"].as_str().unwrap();
    assert!(folder.starts_with('/'), "{folder}: outlives the container");
    assert!(
        spec["labels"].get("DPLOY").is_none(),
        "the observer is no service of an app"
    );
}
