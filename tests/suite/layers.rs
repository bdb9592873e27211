//! The house has layers: imports only go down a row, and never in a circle within a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Imports that stay forbidden although the row would allow them, with the reason.
const NEVER: &[(&str, &[&str], &str)] = &[(
    "local",
    &["marathon", "github"],
    "a fake that shares the client's types cannot catch its misreadings",
)];

/// What is pure, by package: time, chance and what lies outside are passed in, so that a test can decide them.
const PURE: &[(&str, &[&str])] = &[
    ("", &["history", "plan"]),
    ("crates/local-marathon", &["definition", "world"]),
];

/// Words that only somebody says who looks outside.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "stamp::now",
    "new_v4",
    "getrandom",
    "fastrand::u",
    "Rng::new",
    "RandomState",
    "HashMap",
    "tokio::time",
    "tokio::spawn",
    "reqwest",
    "sqlx",
];

#[test]
fn what_is_pure_looks_at_nothing_outside() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for (package, modules) in PURE {
        let src = root.join(package).join("src");
        let mut files = Vec::new();
        rust_files(&src, &mut files);
        let pure = |file: &&PathBuf| {
            let relative = file.strip_prefix(&src).unwrap();
            let top = relative.components().next().unwrap().as_os_str();
            modules.contains(&top.to_str().unwrap().trim_end_matches(".rs"))
        };
        let files: Vec<&PathBuf> = files.iter().filter(pure).collect();
        assert!(files.len() >= modules.len(), "{package}: {files:?}");
        for file in files {
            let code = code_of(file);
            let said = OUTSIDE.iter().filter(|word| code.contains(**word));
            wrong.extend(said.map(|word| format!("{}: {word}", file.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The packages whose library says in which rows its modules stand: the product and the look-alikes.
fn packages() -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let crates = std::fs::read_dir(root.join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path());
    let all: Vec<PathBuf> = [root.clone()].into_iter().chain(crates).collect();
    let layered: Vec<PathBuf> = all.into_iter().filter(|p| !rows(p).is_empty()).collect();
    assert!(layered.len() >= 2, "{layered:?}");
    layered
}

/// The modules of each row, from the ground up: the table at the head of `src/lib.rs`.
fn rows(package: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(package.join("src/lib.rs")).unwrap();
    let table = text.lines().filter_map(|l| l.strip_prefix("//! | "));
    table
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()))
        .map(|line| {
            let modules = line.split('|').nth(1).unwrap();
            let quoted = modules.split('`').skip(1).step_by(2);
            quoted.map(str::to_owned).collect()
        })
        .collect()
}

pub fn rust_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The paths behind each `prefix` in `code`, e.g. `store::writer` for `crate::store::writer::Log`.
fn paths_after(code: &str, prefix: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let boundary = code[..at].chars().next_back();
        if boundary.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let path: String = rest
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
            .collect();
        found.push(
            path.split("::")
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
        );
    }
    found
}

/// The code without its comments and without the tests in it, which may look from above.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn imports_only_go_down_a_row() {
    let wrong: Vec<String> = packages().iter().flat_map(|p| wrong_imports(p)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_imports(package: &Path) -> Vec<String> {
    let src = package.join("src");
    let rows = rows(package);
    let row = |module: &str| rows.iter().position(|row| row.iter().any(|m| m == module));
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let top = relative.components().next().unwrap().as_os_str();
        let top = top.to_str().unwrap().trim_end_matches(".rs");
        if top == "lib" || top == "bin" {
            continue;
        }
        let Some(own) = row(top) else {
            wrong.push(format!("{}: is in no row", relative.display()));
            continue;
        };
        let code = code_of(&file);
        if code.contains("use crate::{") {
            wrong.push(format!("{}: braced `use crate::{{…}}`", relative.display()));
        }
        // from a file at the top, or the `mod.rs` of a folder there, `super` is the crate
        let at_top = relative.components().count() == 1
            || relative.components().count() == 2 && relative.ends_with("mod.rs");
        let above = if at_top {
            paths_after(&code, "super::")
        } else {
            Vec::new()
        };
        for path in paths_after(&code, "crate::").into_iter().chain(above) {
            let Some(target) = path.first() else { continue };
            let forbidden = NEVER
                .iter()
                .any(|(from, to, _)| *from == top && to.contains(&target.as_str()));
            if target != top && (forbidden || row(target).is_none_or(|r| r >= own)) {
                wrong.push(format!("{}: imports crate::{target}", relative.display()));
            }
        }
    }
    wrong
}

#[test]
fn siblings_import_each_other_without_a_circle() {
    for package in packages() {
        no_circle(&package.join("src"));
    }
}

fn no_circle(src: &Path) {
    let mut files = Vec::new();
    rust_files(src, &mut files);
    // edges[folder][file] = the siblings it names
    let mut edges: BTreeMap<PathBuf, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for file in &files {
        let folder = file.parent().unwrap().to_path_buf();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if folder == *src || name == "mod" {
            continue;
        }
        let code = code_of(file);
        let inside: Vec<String> = folder
            .strip_prefix(src)
            .unwrap()
            .components()
            .map(|c| c.as_os_str().to_str().unwrap().to_owned())
            .collect();
        let mut siblings: BTreeSet<String> = paths_after(&code, "super::")
            .into_iter()
            .filter_map(|p| p.first().cloned())
            .collect();
        for path in paths_after(&code, "crate::") {
            if path.starts_with(&inside) && path.len() > inside.len() {
                siblings.insert(path[inside.len()].clone());
            }
        }
        siblings.remove(&name);
        edges.entry(folder).or_default().insert(name, siblings);
    }
    for (folder, graph) in &edges {
        for start in graph.keys() {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&String> = graph[start].iter().collect();
            while let Some(next) = open.pop() {
                assert!(
                    next != start,
                    "{}: {start} imports itself through {seen:?}",
                    folder.display()
                );
                if seen.insert(next.clone()) {
                    open.extend(graph.get(next).into_iter().flatten());
                }
            }
        }
    }
}
