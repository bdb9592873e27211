//! What holds for every test, as far as the text of the tests can show it. That nobody asks the system for the time stands in
//! `clippy.toml`, for tests too.

use std::path::{Path, PathBuf};

use crate::layers::rust_files;

/// Words that no test says, except in these files, and why not.
struct Rule {
    words: &'static [&'static str],
    /// The end of a path, and the reason.
    except: &'static [(&'static str, &'static str)],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        words: &[
            "::sleep(",
            "use std::thread::sleep",
            "use tokio::time::sleep",
        ],
        except: &[
            ("test-kit/src/wait.rs", "it is the one that waits"),
            ("support/strangers.rs", "slowness is what they do"),
        ],
        why: "wait until something is so (test_kit::wait), not for a while",
    },
    Rule {
        words: &["time::timeout("],
        except: &[
            ("test-kit/src/wait.rs", "it is the one that waits"),
            (
                "command/errors.rs",
                "how long `dploy` takes is what is tested",
            ),
            (
                "support/kill_bench.rs",
                "the observer has to live that long",
            ),
            (
                "tests/suite/bounds.rs",
                "how long a stop takes is what is tested",
            ),
        ],
        why: "how long anything may take stands in test_kit::wait alone",
    },
    Rule {
        words: &["DPLOY_TEST_SKIP\"", "DPLOY_TEST_NO_SKIP"],
        except: &[("test-kit/src/foreign.rs", "it is the one that leaves out")],
        why: "whether a test is left out is asked of test_kit::foreign::is_left_out",
    },
    Rule {
        words: &["CARGO_BIN_EXE_"],
        except: &[("support/program.rs", "it is the one that starts programs")],
        why: "programs are started by support::program, with nothing of this machine's environment",
    },
    Rule {
        words: &["Command::new(\"git\")"],
        except: &[("test-kit/src/git.rs", "it is the one that runs git")],
        why: "git is run by test_kit::git, with nobody's settings",
    },
    Rule {
        words: &["Resources::default()"],
        except: &[
            ("test-kit/src/ports.rs", "it is the one that gives ports"),
            ("tests/suite/driven.rs", "no task of it is a process"),
        ],
        why: "a Marathon of the tests has ports of its own (test_kit::ports)",
    },
];

/// Each file of the tests with its lines that are no comments.
fn tests() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("tests"), &mut files);
    rust_files(&root.join("crates/test-kit/src"), &mut files);
    for package in std::fs::read_dir(root.join("crates")).unwrap() {
        let tests = package.unwrap().path().join("tests");
        if tests.is_dir() {
            rust_files(&tests, &mut files);
        }
    }
    files.retain(|file| !file.ends_with("tests/suite/rules.rs"));
    assert!(files.len() > 50, "the tests are read: {files:?}");
    let lines = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
        (file, code.map(str::to_owned).collect())
    };
    files.into_iter().map(lines).collect()
}

#[test]
fn no_test_says_what_only_a_helper_may_say() {
    let mut wrong = Vec::new();
    for (file, lines) in tests() {
        for rule in RULES {
            let excepted = rule.except.iter().any(|(path, _)| file.ends_with(path));
            let says = |line: &&String| rule.words.iter().any(|word| line.contains(word));
            for line in lines.iter().filter(says).filter(|_| !excepted) {
                wrong.push(format!("{}: {}: {}", file.display(), line.trim(), rule.why));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_exception_is_still_one() {
    let tests = tests();
    for rule in RULES {
        for (path, reason) in rule.except {
            let needed = tests.iter().any(|(file, lines)| {
                let said = lines
                    .iter()
                    .any(|l| rule.words.iter().any(|w| l.contains(w)));
                file.ends_with(path) && said
            });
            assert!(needed, "{path} needs no exception any more ({reason})");
        }
    }
}

#[test]
fn no_test_is_ignored_without_a_reason_or_passes_by_giving_up() {
    let mut wrong = Vec::new();
    for (file, lines) in tests() {
        for (at, line) in lines.iter().enumerate() {
            let ignored = line.contains("#[ignore") && !line.contains("#[ignore = \"");
            // says something and goes home
            let next = lines
                .get(at + 1)
                .is_some_and(|next| next.trim() == "return;");
            let gives_up = line.trim_end().ends_with(");") && next && says_something(&lines[..=at]);
            if ignored || gives_up {
                wrong.push(format!("{}: {}", file.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the statement that ends here prints.
fn says_something(lines: &[String]) -> bool {
    let mut back = lines.iter().rev();
    let last = back.next().into_iter();
    let before = back.take_while(|line| !line.trim_end().ends_with([';', '{', '}']));
    let mut statement = last.chain(before);
    statement.any(|line| line.contains("println!("))
}
