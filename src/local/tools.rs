//! The programs that tasks of the local world find first on their `PATH`: this very program under two names.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What stands in front of the arguments, by the name of the program.
const TOOLS: [(&str, &str); 2] = [("observer", ""), ("serve", " local serve")];

/// Writes the scripts `observer`, which is the program in `executable`, and `serve`, its tiny web server
/// (`serve --port $PORT0 --title web`), into the folder `tools`, which is made where it is missing.
///
/// # Errors
/// When the folder cannot be written to.
pub fn lend(tools: &Path, executable: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(tools)?;
    for (name, arguments) in TOOLS {
        let file = tools.join(name);
        // written aside: a task may be starting the one that is there
        let new = tools.join(format!(".{name}.new"));
        std::fs::write(&new, script(executable, arguments))?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755))?;
        std::fs::rename(&new, &file)?;
    }
    Ok(())
}

/// A POSIX shell script that becomes the executable.
fn script(executable: &Path, arguments: &str) -> String {
    let quoted = executable.to_string_lossy().replace('\'', r"'\''");
    format!("#!/bin/sh\nexec '{quoted}'{arguments} \"$@\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_name_the_program_however_its_path_is_written() {
        let program = Path::new("/opt/it's here/observer");
        assert_eq!(
            script(program, " local serve"),
            "#!/bin/sh\nexec '/opt/it'\\''s here/observer' local serve \"$@\"\n"
        );
        assert_eq!(
            script(program, ""),
            "#!/bin/sh\nexec '/opt/it'\\''s here/observer' \"$@\"\n"
        );
    }
}
