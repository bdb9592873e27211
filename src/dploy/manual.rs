//! What is made of the command line itself: completions, man pages, and the list of what every command understands.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_mangen::Man;
use serde_json::json;

use super::args::{EXAMPLES, Shell, program};
use super::session::Session;

/// Completions, on standard output.
pub(super) fn complete(shell: Shell) {
    let mut out = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(shell, &mut program(), "dploy", &mut out);
    shown(&out);
}

/// The flags that every command has.
pub(super) fn flags() {
    let mut program = program();
    program.build();
    let flags = program.find_subcommand_mut("flags");
    let help = flags.map(|flags| flags.render_long_help().to_string());
    shown(help.unwrap_or_default().as_bytes());
}

/// A reader that has seen enough is no error.
fn shown(text: &[u8]) {
    let _ = std::io::stdout().write_all(text);
}

/// Man pages: `dploy.1`, `dploy-run.1`, `dploy-token-add.1` and so on.
pub(super) fn man(session: &Session, folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut program = program();
    program.build();
    let Some(folder) = folder else {
        shown(&page(&program)?);
        return Ok(ExitCode::SUCCESS);
    };
    let at = |what: &Path| format!("{} cannot be written", what.display());
    std::fs::create_dir_all(folder).with_context(|| at(folder))?;
    let mut made = Vec::new();
    for command in all(&program) {
        let name = command.get_display_name().unwrap_or("dploy").to_owned();
        let file = folder.join(format!("{name}.1"));
        std::fs::write(&file, page(&command)?).with_context(|| at(&file))?;
        made.push(file.display().to_string());
    }
    let terminal = session.terminal;
    if terminal.json {
        terminal.data(&json!({"made": made}))?;
    } else {
        terminal.say(format!(
            "Made {} pages in {}.",
            made.len(),
            folder.display()
        ));
        terminal.hint("`man -l` shows one; a folder man1 of MANPATH is where man looks.");
    }
    Ok(ExitCode::SUCCESS)
}

/// The page of a command. Its examples are typeset as they are typed; what is left out of a short help is not left out here.
fn page(command: &clap::Command) -> std::io::Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let mut command = command.clone().version(version);
    // without each flag of every command
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let command = command
        .override_usage(usage)
        .mut_args(|arg| arg.hide_short_help(false));
    let below = command.has_subcommands();
    let name = command.get_display_name().unwrap_or("dploy");
    let path = name.trim_start_matches("dploy").replace('-', " ");
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path.trim());
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if below {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some((_, lines)) = examples {
        let typed = lines.join("\n").replace('-', "\\-").replace('\'', "\\(aq");
        page.extend_from_slice(format!(".SH EXAMPLES\n.nf\n{typed}\n.fi\n").as_bytes());
    }
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// A command and those below it that are shown; help is in each of them.
fn all(command: &clap::Command) -> Vec<clap::Command> {
    let below = command.get_subcommands();
    let below = below.filter(|c| !c.is_hide_set() && c.get_name() != "help");
    let below = below.flat_map(all);
    std::iter::once(command.clone()).chain(below).collect()
}
