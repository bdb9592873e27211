//! Go's flags: `-owner x`, `-owner=x` and `--owner x` are the same. clap knows only the last form.

use std::ffi::OsString;

/// Arguments with every single-dash long flag written with two. `-h` and `-V` stay, and so does what is no flag.
pub fn go_style(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut raw = false;
    arguments
        .into_iter()
        .map(|argument| {
            let Some(text) = argument.to_str().filter(|_| !raw) else { return argument };
            raw = text == "--";
            let name = text.strip_prefix('-').filter(|n| !n.starts_with('-'));
            let long = name.is_some_and(|n| n.chars().next().is_some_and(char::is_alphabetic) && n.split('=').next().is_some_and(|n| n.chars().count() > 1));
            if long { OsString::from(format!("-{text}")) } else { argument }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_dash_is_enough() {
        let given = ["observer", "-owner=x", "-repo", "y", "--branch", "z", "-h", "-5", "--", "-pat"];
        let read = go_style(given.map(OsString::from));
        assert_eq!(read, ["observer", "--owner=x", "--repo", "y", "--branch", "z", "-h", "-5", "--", "-pat"].map(OsString::from));
    }
}
