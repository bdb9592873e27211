//! Examples of each command, at the end of its help. A test parses them.

/// How a command is typed; the commands by their path.
pub(in crate::dploy) const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "init",
        &[
            "dploy init",
            "dploy init -name shop -marathon-url http://10.0.0.5:8080 -repo-url https://github.com/acme/shop",
        ],
    ),
    (
        "dryrun",
        &["dploy dryrun", "dploy dryrun -detailed-exitcode -json"],
    ),
    (
        "run",
        &[
            "dploy run",
            "dploy run -wait 300",
            "dploy run -observer-image registry.example/dploy-observer -public-url https://dploy.example",
        ],
    ),
    (
        "destroy",
        &["dploy destroy", "dploy destroy -yes -keep-services"],
    ),
    ("ls", &["dploy ls", "dploy ls -workspace ../shop -all"]),
    ("ps", &["dploy ps", "dploy ps -json"]),
    ("scale", &["dploy scale -pid web -instances 3"]),
    ("history", &["dploy history", "dploy history -n 50"]),
    (
        "rollback",
        &[
            "dploy rollback",
            "dploy rollback -deploy 40 -m 'checkout fails'",
            "dploy rollback HEAD~1 -service /shop/web -manual",
        ],
    ),
    (
        "deploy",
        &[
            "dploy deploy",
            "dploy deploy 7c35f77 -m 'without the new cart'",
            "dploy deploy -detach",
        ],
    ),
    (
        "redeploy",
        &["dploy redeploy", "dploy redeploy -service /shop/web"],
    ),
    (
        "adopt",
        &["dploy adopt /shop/web", "dploy adopt -from old-shop"],
    ),
    (
        "cancel",
        &["dploy cancel", "dploy cancel 42 -m 'wrong branch'"],
    ),
    ("why", &["dploy why HEAD", "dploy why -deploy 40"]),
    (
        "diff",
        &[
            "dploy diff",
            "dploy diff -deploy 40 -deploy 42",
            "dploy diff HEAD~3",
        ],
    ),
    (
        "lock",
        &[
            "dploy lock -m 'audit until noon'",
            "dploy lock -m 'release day' -until 18:00",
        ],
    ),
    (
        "unlock",
        &["dploy unlock", "dploy unlock -m 'audit is over' -y"],
    ),
    ("resume", &["dploy resume", "dploy resume -detach"]),
    (
        "status",
        &["dploy status", "dploy status -watch", "dploy status -all"],
    ),
    ("open", &["dploy open"]),
    (
        "logs",
        &[
            "dploy logs",
            "dploy logs web -f",
            "dploy logs -stderr -n 100",
        ],
    ),
    ("token", &["dploy token list"]),
    (
        "token add",
        &["dploy token add ana -role operator -apps shop,blog -expires 30d"],
    ),
    ("token list", &["dploy token list"]),
    ("token remove", &["dploy token remove ana"]),
    ("doctor", &["dploy doctor", "dploy doctor -json"]),
    (
        "completions",
        &[
            "dploy completions bash > ~/.local/share/bash-completion/completions/dploy",
            "dploy completions zsh > ~/.zfunc/_dploy",
            "dploy completions fish > ~/.config/fish/completions/dploy.fish",
        ],
    ),
    ("man", &["dploy man ~/.local/share/man/man1"]),
];

/// Where a short help leads.
const MORE: &str =
    "`dploy help flags` or --help shows the flags for where and how, which every command has.";

/// A program whose commands end their help with examples.
pub(in crate::dploy) fn with_examples(program: clap::Command) -> clap::Command {
    let program = program.after_help(MORE);
    commands(program, "")
}

fn commands(mut command: clap::Command, path: &str) -> clap::Command {
    let names = command.get_subcommands().map(|c| c.get_name().to_owned());
    let names: Vec<String> = names.collect();
    for name in names {
        let path = format!("{path} {name}").trim().to_owned();
        command = command.mut_subcommand(&name, |sub| {
            let own = EXAMPLES.iter().find(|(of, _)| *of == path);
            let lines = own.map(|(_, lines)| lines.join("\n  "));
            let sub = match lines {
                Some(lines) => {
                    let examples = format!("Examples:\n  {lines}");
                    sub.after_help(format!("{examples}\n\n{MORE}"))
                        .after_long_help(examples)
                }
                None => sub,
            };
            commands(sub, &path)
        });
    }
    command
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::FromArgMatches as _;

    use super::*;
    use crate::cli::{command_first, go_style};
    use crate::dploy::args::{Dploy, program};

    /// The words of a line, without what its shell does with the output.
    fn words(line: &str) -> Vec<OsString> {
        let line = line.split(" > ").next().unwrap();
        let parts = line.split('\'').enumerate();
        let words = parts.flat_map(|(at, part)| -> Vec<&str> {
            if at % 2 == 1 {
                vec![part]
            } else {
                part.split_whitespace().collect()
            }
        });
        words.map(OsString::from).collect()
    }

    fn paths(command: &clap::Command, path: &str, all: &mut Vec<String>) {
        for sub in command
            .get_subcommands()
            .filter(|c| !c.is_hide_set() && c.get_name() != "help")
        {
            let path = format!("{path} {}", sub.get_name()).trim().to_owned();
            paths(sub, &path, all);
            all.push(path);
        }
    }

    #[test]
    fn every_command_has_examples_and_each_is_one_of_it() {
        let mut all = Vec::new();
        paths(&program(), "", &mut all);
        assert!(all.len() >= 25, "{all:?}");
        for path in &all {
            let own = EXAMPLES.iter().find(|(of, _)| of == path);
            assert!(
                own.is_some_and(|(_, lines)| !lines.is_empty()),
                "{path} has no example"
            );
        }
        for (path, lines) in EXAMPLES {
            assert!(
                all.iter().any(|p| p == path) || *path == "man",
                "{path} is no command"
            );
            for line in *lines {
                let words = words(line);
                let typed: Vec<&str> = words.iter().filter_map(|w| w.to_str()).collect();
                assert!(
                    typed.join(" ").starts_with(&format!("dploy {path}")),
                    "{line} is not of {path}"
                );
                let arguments = command_first(go_style(words), &program());
                let parsed = program().try_get_matches_from(arguments);
                let parsed = parsed.and_then(|matches| Dploy::from_arg_matches(&matches));
                assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
            }
        }
    }

    #[test]
    fn a_short_help_shows_what_is_the_commands_own() {
        let mut program = program();
        program.build();
        for sub in program
            .get_subcommands_mut()
            .filter(|c| c.get_name() != "help")
        {
            let (short, long) = (
                sub.render_help().to_string(),
                sub.render_long_help().to_string(),
            );
            let name = sub.get_name();
            for flag in [
                "--marathon-url",
                "--workspace",
                "--json",
                "--token",
                "Everywhere:",
            ] {
                assert!(!short.contains(flag), "{name}: {flag} in {short}");
                assert!(long.contains(flag), "{name}: no {flag} in {long}");
            }
            let everywhere = long.find("Everywhere:").unwrap();
            let own = long.find("Options:").unwrap();
            assert!(own < everywhere, "{long}");
            if !sub.is_hide_set() {
                assert!(
                    short.contains("Examples:\n  dploy ") && short.contains("dploy help flags"),
                    "{short}"
                );
                assert!(long.contains("Examples:\n  dploy "), "{long}");
            }
        }
    }
}
