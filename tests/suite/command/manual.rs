//! What is made of the command line itself: short and long help, completions, man pages.

use crate::support::program::ended;
use crate::support::shell::Shell;

/// Whether this machine has a program; of shells every one has bash.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap();
    name == "bash" || std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// The commands, and the flags of each that are its own.
async fn commands(shell: &Shell) -> Vec<(String, Vec<String>)> {
    let all = shell.ok(&["-h"]).await;
    let listed = all.split("Commands:\n").nth(1).unwrap();
    let listed = listed.split("\n\n").next().unwrap().lines();
    let names = listed.filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    let names = names.map(|l| l.split_whitespace().next().unwrap());
    let mut commands = Vec::new();
    for name in names.filter(|n| *n != "help") {
        let help = shell.ok(&[name, "-h"]).await;
        let options = help.split("\nOptions:\n").nth(1).unwrap();
        let options = options.split("\n\n").next().unwrap();
        let words = options.split_whitespace().filter(|w| w.starts_with("--"));
        let flags = words.map(|w| w.trim_end_matches(',').to_owned()).collect();
        commands.push((name.to_owned(), flags));
    }
    assert!(commands.len() >= 24, "{commands:?}");
    commands
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_help_fits_a_screen_and_leads_to_the_long_one() {
    let shell = Shell::new().env("COLUMNS", "100");
    for (name, _) in commands(&shell).await {
        let help = shell.ok(&[&name, "-h"]).await;
        // what launches an observer has a part of its own
        let lines = if ["run", "dryrun"].contains(&name.as_str()) {
            75
        } else {
            40
        };
        assert!(help.lines().count() <= lines, "{help}");
        assert!(
            help.contains("Examples:\n  dploy ") || name == "token",
            "{help}"
        );
        assert!(!help.contains("--marathon-url <"), "{help}");
        let long = shell.ok(&["help", &name]).await;
        assert!(
            long.contains("Everywhere:") && long.contains("--marathon-url <url>"),
            "{long}"
        );
    }
    let flags = shell.ok(&["help", "flags"]).await;
    assert_eq!(flags, shell.ok(&["flags"]).await);
    assert!(
        flags.contains("--observer <url>") && flags.contains("DPLOY_TIMEOUT"),
        "{flags}"
    );
    let all = shell.ok(&["-h"]).await;
    assert!(
        !all.contains("  flags") && all.contains("dploy help flags"),
        "{all}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_of_the_shell() {
    let shell = Shell::new();
    for (name, check) in [
        ("bash", &["-n"][..]),
        ("zsh", &["-n"]),
        ("fish", &["--no-execute"]),
    ] {
        let script = shell.ok(&["completions", name]).await;
        for (command, flags) in commands(&shell).await {
            let flags = flags
                .iter()
                .map(|f| f.trim_start_matches('-').split(['[', '=']).next().unwrap());
            for word in flags.chain([command.as_str(), "marathon-url"]) {
                assert!(script.contains(word), "{name}: no {word}");
            }
        }
        if !is_installed(name) {
            continue;
        }
        let file = format!("dploy.{name}");
        shell.write(&file, &script);
        let check = shell.command(name).args(check).arg(&file).output();
        let (code, _, err) = ended(check, name).await;
        assert_eq!((code, err.as_str()), (0, ""), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_command_has_a_man_page_that_names_its_flags() {
    let shell = Shell::new();
    let said = shell.ok(&["man", "pages/man1"]).await;
    let folder = shell.dir.join("pages/man1");
    let page = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        // roff writes a hyphen that is none with a backslash
        text.replace("\\-", "-")
    };
    let commands = commands(&shell).await;
    let made = std::fs::read_dir(&folder).unwrap().count();
    assert!(
        made >= commands.len() + 4,
        "dploy, its commands, those of token: {made}"
    );
    assert!(
        said.contains(&format!("Made {made} pages in pages/man1.")),
        "{said}"
    );
    let whole = page("dploy.1");
    for (name, flags) in &commands {
        assert!(
            whole.contains(&format!("dploy-{name}(1)")),
            "{name}: {whole}"
        );
        let text = page(&format!("dploy-{name}.1"));
        for flag in flags {
            let flag = flag.split(['[', '=']).next().unwrap();
            assert!(text.contains(flag), "{name}: no {flag} in {text}");
        }
        for flag in ["--marathon-url", "--json", "DPLOY_MARATHON_URL"] {
            assert!(text.contains(flag), "{name}: no {flag} in {text}");
        }
    }
    let add = page("dploy-token-add.1");
    assert!(
        add.contains("--expires") && add.contains("\ndploy token add ana -role operator"),
        "{add}"
    );
    assert_eq!(shell.ok(&["man"]).await.replace("\\-", "-"), whole);
    // what typesets them finds nothing wrong
    if is_installed("groff") {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let file = entry.unwrap().path();
            let mut groff = shell.command("groff");
            groff.args(["-man", "-Tascii", "-ww", "-z"]).arg(&file);
            let (code, _, err) = ended(groff.output(), "groff").await;
            assert_eq!((code, err.as_str()), (0, ""), "{}", file.display());
        }
    }
    let (code, _, err) = shell.run(&["man", "dploy.app/x"]).await;
    assert_eq!(code, 0, "{err}");
    shell.write("file", "");
    let (code, _, err) = shell.run(&["man", "file"]).await;
    assert!(code == 1 && err.contains("file cannot be written"), "{err}");
}
