//! Documents are kept true: tables, commands and paths in them are compared with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dploy_observer::api::ProblemCode;
use dploy_observer::dploy::Word;
use dploy_observer::sentence::Code;
use dploy_observer::settings::Settings;
use dploy_observer::web::openapi;
use serde_json::{Value, json};

use crate::support::program::{DPLOY, alone};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The names of the files in a folder that end like this.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|n| n.ends_with(ending)).collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} has no *{ending}");
    names
}

/// Every document: those at the top, and the pages.
fn documents() -> Vec<String> {
    let pages = files("docs", ".md")
        .into_iter()
        .map(|n| format!("docs/{n}"));
    files("", ".md").into_iter().chain(pages).collect()
}

/// The headings of a document: at which byte each begins, its level and its words. A comment in a block of code is none.
fn headings(document: &str) -> Vec<(usize, usize, &str)> {
    let (mut found, mut at, mut code) = (Vec::new(), 0, false);
    for line in document.split_inclusive('\n') {
        let level = line.chars().take_while(|c| *c == '#').count();
        if line.starts_with("```") {
            code = !code;
        } else if !code && level > 0 && line[level..].starts_with(' ') {
            found.push((at, level, line[level..].trim()));
        }
        at += line.len();
    }
    found
}

/// The text under a heading, up to the next one of the same or a higher level.
pub fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let all = headings(document);
    let mut rest = all
        .iter()
        .skip_while(|(_, l, words)| *l != level || heading[level..].trim() != *words);
    let (start, ..) = rest
        .next()
        .unwrap_or_else(|| panic!("{heading} is not there"));
    let end = rest.find(|(_, l, _)| *l <= level).map(|(at, ..)| *at);
    &document[*start..end.unwrap_or(document.len())]
}

/// The name by which a heading is linked to, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let plain = heading.to_lowercase().replace(' ', "-");
    let kept = |c: &char| c.is_alphanumeric() || "-_".contains(*c);
    plain.chars().filter(kept).collect()
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

#[test]
fn the_readme_is_a_screen_and_a_half_and_leads_to_every_page() {
    let readme = read("README.md");
    let words = readme.split_whitespace().count();
    assert!(words <= 900, "README.md has {words} words");
    for page in files("docs", ".md") {
        assert!(
            readme.contains(&format!("](docs/{page})")),
            "README.md has no link to docs/{page}"
        );
    }
    let shown: String = documents().iter().map(|d| read(d)).collect();
    for picture in files("docs", ".png") {
        let shown = shown.contains(&format!("]({picture})"))
            || shown.contains(&format!("](docs/{picture})"));
        assert!(shown, "no document shows docs/{picture}");
    }
}

#[test]
fn every_page_begins_with_who_needs_it() {
    for page in files("docs", ".md") {
        let text = read(&format!("docs/{page}"));
        let mut lines = text.lines().filter(|l| !l.is_empty());
        assert!(lines.next().unwrap().starts_with("# "), "{page}");
        let first = lines.next().unwrap();
        assert!(first.starts_with("For whoever "), "{page}: {first}");
    }
}

#[test]
fn the_settings_are_listed_as_the_program_has_them() {
    let document = read("docs/settings.md");
    let listed = rows(section(&document, "## Every setting"));
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

fn help_of_dploy(arguments: &[&str]) -> String {
    let mut command = alone(DPLOY, &root(), &root());
    command.args(arguments).arg("-h").env("COLUMNS", "400");
    let output = command.as_std_mut().output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The part of a help text under one of its headings.
fn part<'a>(help: &'a str, heading: &str) -> &'a str {
    let (_, part) = help.split_once(&format!("\n{heading}:\n")).unwrap();
    part.split("\n\n").next().unwrap()
}

#[test]
fn every_command_of_dploy_is_listed_as_its_help_has_it() {
    let help = help_of_dploy(&[]);
    let commands = part(&help, "Commands").lines();
    let wanted: Vec<String> = commands
        .filter_map(|l| l.strip_prefix("  ")?.split_once(' '))
        .filter(|(name, _)| *name != "help")
        .map(|(name, about)| format!("| `{name}` | {} |", about.trim()))
        .collect();
    assert!(wanted.len() >= 18, "{help}");
    let document = read("docs/dploy.md");
    let listed = rows(section(&document, "## Commands"));
    let commands = |row: &&str| row.starts_with("| `") && !row.starts_with("| `-");
    let listed: Vec<&str> = listed.into_iter().filter(commands).collect();
    assert_eq!(listed, wanted);
}

/// The flags of each command that are its own, as a table has them: the names, the commands that have it, what it is.
#[test]
fn every_flag_of_a_command_is_listed_as_its_help_has_it() {
    let all = help_of_dploy(&[]);
    let commands = part(&all, "Commands").lines();
    let commands = commands.filter_map(|l| l.split_whitespace().next());
    let mut wanted: Vec<(String, String, String)> = Vec::new();
    for command in commands.filter(|c| *c != "help") {
        let help = help_of_dploy(&[command]);
        for line in part(&help, "Options").lines() {
            let (names, about) = line.trim().split_once("  ").unwrap();
            let names = names.split(' ').filter(|n| n.starts_with('-'));
            let names = names.map(|n| n.trim_end_matches(',').replace("--", "-"));
            let names: Vec<String> = names.map(|n| format!("`{n}`")).collect();
            let names = names.join(" ");
            if names.contains("`-help`") {
                continue;
            }
            let about = about.trim().replace(" [default: ", " (").replace(']', ")");
            let same = wanted.iter_mut().find(|w| w.0 == names && w.2 == about);
            match same {
                Some((_, of, _)) => of.extend([" `", command, "`"]),
                None => wanted.push((names, format!("`{command}`"), about)),
            }
        }
    }
    assert!(wanted.len() >= 20, "{wanted:?}");
    let wanted = wanted
        .iter()
        .map(|(a, b, c)| format!("| {a} | {b} | {c} |"));
    let document = read("docs/dploy.md");
    let listed = rows(section(&document, "## Commands"));
    let flags = listed.iter().filter(|r| r.starts_with("| `-"));
    assert_eq!(
        flags.copied().collect::<Vec<_>>(),
        wanted.collect::<Vec<_>>()
    );
}

/// Flags under a heading of a long help, as a table has them: `-token`, the variable if there is one, what it is.
fn flags(help: &str, heading: &str) -> Vec<String> {
    let (_, all) = help.split_once(&format!("\n{heading}:\n")).unwrap();
    let own = |line: &&str| line.is_empty() || line.starts_with(' ');
    let lines = all.lines().take_while(own).map(str::trim);
    let mut flags: Vec<(String, String, String)> = Vec::new();
    for line in lines.filter(|l| !l.is_empty()) {
        if let Some((_, name)) = line.split_once("--").filter(|_| line.starts_with('-')) {
            let name = name.split([' ', '[']).next().unwrap();
            flags.push((name.to_owned(), String::new(), String::new()));
            continue;
        }
        let (_, variable, meaning) = flags.last_mut().unwrap();
        if let Some(name) = line.strip_prefix("[env: ") {
            *variable = format!("`{}` ", name.trim_end_matches([']', '=']));
        } else if !line.starts_with('[') {
            meaning.push_str(line);
        }
    }
    let row = |(name, variable, meaning)| format!("| `-{name}` | {variable}| {meaning} |");
    flags.into_iter().map(row).collect()
}

#[test]
fn what_dploy_is_told_by_flag_or_variable_is_listed_as_its_help_has_it() {
    let document = read("docs/dploy.md");
    let help = help_of_dploy(&["run", "--help"]);
    for (heading, of_help) in [
        ("## Where things are", "Everywhere"),
        ("## Launching the observer", "Launching the observer"),
    ] {
        let listed = rows(section(&document, heading));
        assert_eq!(listed, flags(&help, of_help));
    }
}

/// The routes of the program: method and path.
pub fn routes() -> BTreeSet<String> {
    let code = read("src/web/routes.rs");
    let mut found = BTreeSet::new();
    for route in code.split(".route(").skip(1) {
        let ends = [".route(", ".fallback(", ".layer(", ";"];
        let end = ends.iter().filter_map(|e| route.find(e)).min();
        let route = &route[..end.unwrap_or(route.len())];
        let path = route.split('"').nth(1).unwrap();
        let before = found.len();
        for method in ["get", "post", "delete", "put", "patch"] {
            let called = [" ", "\n", "."].map(|b| format!("{b}{method}("));
            if called.iter().any(|c| route.contains(c)) {
                found.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        assert!(found.len() > before, "{path} has no method");
    }
    found
}

#[test]
fn every_route_is_listed_with_its_method() {
    let document = read("docs/http-api.md");
    let listed: BTreeSet<String> = rows(section(&document, "## Routes"))
        .into_iter()
        .flat_map(|row| quoted(row.split('|').nth(1).unwrap()))
        .map(str::to_owned)
        .collect();
    assert_eq!(listed, routes());
}

#[test]
fn every_route_is_in_the_openapi_document_and_nothing_else() {
    let mut described = BTreeSet::new();
    for (path, methods) in openapi()["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    let code = read("src/web/operate.rs");
    let mut actions = arms(&code, "let wish = match action {");
    assert!(actions.remove("rollback") && actions.remove("destroy"));
    let hook = read("src/web/hook.rs");
    let of_hook = arms(&hook, "match action.as_str() {");
    let mut there = BTreeSet::new();
    for route in routes() {
        let acts = if route.contains("/hook/{action}") {
            &of_hook
        } else {
            &actions
        };
        if route.contains("{action}") {
            there.extend(acts.iter().map(|a| route.replace("{action}", a)));
        } else {
            there.insert(route);
        }
    }
    // these have no plan to show
    assert!(there.remove("GET /apps/{id}/lock") && there.remove("GET /apps/{id}/cancel"));
    assert_eq!(described, there);
}

#[test]
fn every_test_that_the_security_page_names_is_there() {
    let mut files = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["tests", "src"] {
        crate::layers::rust_files(&root.join(folder), &mut files);
    }
    let code: Vec<String> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let document = read("docs/security.md");
    let promises = document.lines().filter(|l| l.starts_with("| "));
    let promises = promises.filter(|l| !l.starts_with("| promise"));
    let mut named = 0;
    for row in promises {
        let tests = quoted(row.rsplit_once(" | ").unwrap().1);
        let tests: Vec<&str> = tests.into_iter().filter(|t| t.contains('_')).collect();
        assert!(!tests.is_empty(), "{row}: no test shows it");
        for test in tests {
            let there = code.iter().any(|c| c.contains(&format!("fn {test}(")));
            assert!(there, "there is no test {test}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}

/// The texts that the arms of a `match` compare with.
fn arms<'a>(code: &'a str, begin: &str) -> BTreeSet<&'a str> {
    let (_, arms) = code.split_once(begin).unwrap();
    let arms = arms.split("other =>").next().unwrap();
    arms.lines()
        .map(str::trim)
        .filter(|l| l.starts_with('"') && l.contains("=>"))
        .flat_map(|l| l.split("=>").next().unwrap().split('"').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_action_is_listed() {
    let document = read("docs/http-api.md");
    let surface = section(&document, "## Routes");
    let listed = |path: &str| -> BTreeSet<&str> {
        let row = surface.lines().find(|l| l.contains(path)).unwrap();
        quoted(row.split('|').nth(3).unwrap()).into_iter().collect()
    };
    let code = read("src/web/operate.rs");
    let mut actions = arms(&code, "let wish = match action {");
    // these have routes of their own
    assert!(actions.remove("rollback") && actions.remove("destroy"));
    assert_eq!(listed("/apps/{id}/{action}`"), actions);
    let rollback = read("docs/rollback.md");
    let explained = rows(section(&rollback, "## The other actions"));
    let explained: BTreeSet<&str> = explained.iter().map(|row| quoted(row)[0]).collect();
    assert_eq!(explained, actions);
    let code = read("src/web/hook.rs");
    assert_eq!(
        listed("/apps/{id}/hook/{action}`"),
        arms(&code, "match action.as_str() {")
    );
}

#[test]
fn every_field_of_a_rollback_is_one_of_the_programs_and_none_is_missing() {
    let rollback = read("docs/rollback.md");
    let fields = rows(section(&rollback, "## Fields of a rollback"));
    let mut listed: BTreeSet<&str> = fields.iter().map(|row| quoted(row)[0]).collect();
    let actions = rows(section(&rollback, "## The other actions"));
    for row in actions {
        listed.extend(quoted(row.split('|').nth(2).unwrap()));
    }
    let code = read("src/api/act.rs");
    let body = code.split("pub struct ActBody {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let known: BTreeSet<&str> = body
        .lines()
        .filter_map(|l| l.trim().strip_prefix("pub ")?.split(':').next())
        .collect();
    assert_eq!(listed, known);
}

/// The tables of a document whose head begins with `code`, row by row.
fn explained(document: &str) -> BTreeSet<String> {
    let tables = document
        .split("\n\n")
        .filter(|part| part.starts_with("| code |") || part.starts_with("| `code` |"));
    let rows: Vec<String> = tables.flat_map(rows).map(str::to_owned).collect();
    let once: BTreeSet<String> = rows.iter().cloned().collect();
    assert_eq!(once.len(), rows.len(), "a code is explained twice");
    once
}

#[test]
fn every_code_of_a_sentence_is_explained_as_the_program_has_it() {
    let wanted: BTreeSet<String> = Code::all()
        .map(|code| format!("| `{}` | {} |", code.word(), code.meaning()))
        .collect();
    assert_eq!(explained(&read("docs/deploying.md")), wanted);
}

#[test]
fn every_word_of_an_error_of_dploy_is_explained_as_the_program_has_it() {
    let wanted: Vec<String> = Word::all()
        .map(|word| format!("| `{}` | {} |", word.word(), word.meaning()))
        .collect();
    let document = read("docs/dploy.md");
    let listed = rows(section(&document, "## Errors for programs"));
    assert_eq!(listed, wanted);
}

#[test]
fn every_code_of_a_refusal_is_explained_as_the_program_has_it() {
    let wanted: BTreeSet<String> = ProblemCode::all()
        .map(|code| format!("| `{}` | {} |", code.word(), code.meaning()))
        .collect();
    assert_eq!(explained(&read("docs/http-api.md")), wanted);
}

#[test]
fn there_is_one_command_that_runs_all_tests() {
    let readme = read("README.md");
    let command = readme
        .lines()
        .find(|l| l.starts_with("cargo test"))
        .unwrap();
    assert!(
        read(".ci/run").lines().any(|l| l == command),
        "CI runs the tests as the README says: {command}"
    );
    assert!(read("CONTRIBUTING.md").contains(&format!("`{command}`")));
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
    for document in documents() {
        let text = read(&document);
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
    }
}

#[test]
fn links_in_documents_lead_somewhere() {
    for document in documents() {
        let text = read(&document);
        let folder = Path::new(&document).parent().unwrap();
        let targets = text.split("](").skip(1);
        for target in targets.filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") {
                continue;
            }
            let (path, place) = target.split_once('#').unwrap_or((target, ""));
            let path = match path {
                "" => PathBuf::from(&document),
                path => folder.join(path),
            };
            let path = root().join(path);
            assert!(path.exists(), "{document}: {target}");
            if !place.is_empty() {
                let there = std::fs::read_to_string(path).unwrap();
                let places = headings(&there);
                let found = places.iter().any(|(_, _, words)| anchor(words) == place);
                assert!(found, "{document}: {target} has no such heading");
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
