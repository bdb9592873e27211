//! Go's flags: `-owner x`, `-owner=x` and `--owner x` are the same, and those of a command stand before it. clap knows only the
//! form with two dashes, and a command's own flags only after it.

use std::ffi::OsString;

/// Arguments with every single-dash long flag written with two. `-h` and `-V` stay, and so does what is no flag.
pub fn go_style(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut raw = false;
    arguments
        .into_iter()
        .map(|argument| {
            let Some(text) = argument.to_str().filter(|_| !raw) else {
                return argument;
            };
            raw = text == "--";
            let name = text.strip_prefix('-').filter(|n| !n.starts_with('-'));
            let long = name.is_some_and(|n| {
                n.chars().next().is_some_and(char::is_alphabetic)
                    && n.split('=').next().is_some_and(|n| n.chars().count() > 1)
            });
            if long {
                OsString::from(format!("-{text}"))
            } else {
                argument
            }
        })
        .collect()
}

/// Arguments with the command before its flags: `dploy -pid=x -instances=2 scale` is `dploy scale -pid=x -instances=2`. What is no
/// command of `program`, or comes after one, stays where it is.
pub fn command_first(
    arguments: impl IntoIterator<Item = OsString>,
    program: &clap::Command,
) -> Vec<OsString> {
    let mut all: Vec<OsString> = arguments.into_iter().collect();
    let text = |argument: &OsString| argument.to_str().unwrap_or_default().to_owned();
    let mut place = 1;
    while let Some(argument) = all.get(place) {
        let argument = text(argument);
        if argument == "--" {
            return all;
        }
        if !argument.starts_with('-') {
            break;
        }
        let apart = !argument.contains('=') && takes_a_value(program, &argument);
        place += if apart { 2 } else { 1 };
    }
    let is_command = |name: &OsString| program.find_subcommand(name).is_some();
    if place > 1 && all.get(place).is_some_and(is_command) {
        let command = all.remove(place);
        all.insert(1, command);
    }
    all
}

/// Whether a flag, of the program or of a command of it, has its value in the next argument.
fn takes_a_value(program: &clap::Command, flag: &str) -> bool {
    let commands = std::iter::once(program).chain(program.get_subcommands());
    let mut flags = commands.flat_map(clap::Command::get_arguments);
    flags.any(|a| {
        let long = a.get_long().is_some_and(|long| flag == format!("--{long}"));
        let short = a
            .get_short()
            .is_some_and(|short| flag == format!("-{short}"));
        (long || short) && a.get_action().takes_values() && !a.is_require_equals_set()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commands_flags_may_stand_before_it() {
        let value = |name: &'static str| clap::Arg::new(name).long(name).short(name.chars().next());
        let all = clap::Arg::new("all")
            .long("all")
            .num_args(0..=1)
            .require_equals(true);
        let program = clap::Command::new("dploy")
            .arg(value("workspace"))
            .arg(all)
            .subcommand(
                clap::Command::new("scale")
                    .arg(value("pid"))
                    .arg(value("instances")),
            )
            .subcommand(clap::Command::new("run"));
        let read = |given: &str| {
            let given = given.split(' ').map(OsString::from);
            let read = command_first(go_style(given), &program);
            let read: Vec<&str> = read.iter().map(|a| a.to_str().unwrap()).collect();
            read.join(" ")
        };
        assert_eq!(
            read("dploy -pid=x -instances=2 scale"),
            "dploy scale --pid=x --instances=2"
        );
        assert_eq!(
            read("dploy -pid run -instances 2 scale -workspace y"),
            "dploy scale --pid run --instances 2 --workspace y"
        );
        assert_eq!(read("dploy -w run -all run"), "dploy run -w run --all");
        assert_eq!(read("dploy scale -pid run"), "dploy scale --pid run");
        assert_eq!(read("dploy -all"), "dploy --all");
        assert_eq!(read("dploy -pid x nothing"), "dploy --pid x nothing");
        assert_eq!(read("dploy -- run"), "dploy -- run");
        assert_eq!(read("dploy"), "dploy");
    }

    #[test]
    fn a_single_dash_is_enough() {
        let given = [
            "observer", "-owner=x", "-repo", "y", "--branch", "z", "-h", "-5", "--", "-pat",
        ];
        let read = go_style(given.map(OsString::from));
        assert_eq!(
            read,
            [
                "observer",
                "--owner=x",
                "--repo",
                "y",
                "--branch",
                "z",
                "-h",
                "-5",
                "--",
                "-pat"
            ]
            .map(OsString::from)
        );
    }
}
