//! `dploy.app`: the descriptor of an app, in YAML.

use serde::Deserialize;

use crate::id::AppId;
use crate::secret::plain;

/// The keys that a descriptor may have.
const KEYS: &[&str] = &[
    "marathon_url",
    "app_name",
    "repo_url",
    "public_node",
    "trigger_branch",
    "prune",
    "deadline",
];

/// Larger descriptors are not read.
const LARGEST: usize = 256 * 1024;

/// A descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// The Marathon that `dploy` talks to; the observer has its own.
    #[serde(default)]
    pub marathon_url: Option<String>,
    /// The app's name.
    pub app_name: String,
    /// The repository.
    #[serde(default)]
    pub repo_url: Option<String>,
    /// Address of the public node.
    #[serde(default)]
    pub public_node: Option<String>,
    /// The trigger branch.
    #[serde(default)]
    pub trigger_branch: Option<String>,
    /// Whether services whose spec left the repository are removed.
    #[serde(default)]
    pub prune: bool,
    /// Progress deadline in seconds.
    #[serde(default)]
    pub deadline: Option<u64>,
}

/// What is wrong with a descriptor, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DescriptorError(String);

fn at(line: usize, column: usize, message: impl std::fmt::Display) -> DescriptorError {
    DescriptorError(format!("dploy.app:{line}:{column}: {message}"))
}

impl Descriptor {
    /// Reads a descriptor.
    ///
    /// # Errors
    /// The first thing that is wrong, with line and column.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        if bytes.len() > LARGEST {
            return Err(at(1, 1, "is larger than 256 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|e| {
            let valid = String::from_utf8_lossy(&bytes[..e.valid_up_to()]);
            let line = 1 + valid.matches('\n').count();
            at(line, 1, "is not UTF-8 text")
        })?;
        // YAML allows a byte order mark; the parser takes it for a document of its own
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        // as a tree first: this finds a key that stands twice, and the keys we do not know
        let tree: serde_yaml::Value = serde_yaml::from_str(text).map_err(|e| located(&e))?;
        let Some(map) = tree.as_mapping() else {
            return Err(at(
                1,
                1,
                "must be a list of `key: value` lines, at least `app_name: …`",
            ));
        };
        for key in map.keys() {
            let name = match key {
                serde_yaml::Value::String(name) => name.clone(),
                other => serde_yaml::to_string(other).unwrap_or_default(),
            };
            let name = name.trim();
            if !KEYS.contains(&name) {
                let line = line_of(text, name);
                let near = nearest(name);
                let name = plain(name, 80);
                return Err(at(
                    line,
                    1,
                    format!("unknown key {name:?}; did you mean {near:?}?"),
                ));
            }
        }
        let read: Self = serde_yaml::from_str(text).map_err(|e| located(&e))?;
        if let Err(why) = read.app_name.parse::<AppId>() {
            let (line, column) = place_of_value(text, "app_name");
            let instead = usable(&read.app_name);
            return Err(at(
                line,
                column,
                format!("app_name {why}; {instead:?} would do"),
            ));
        }
        Ok(read)
    }
}

/// Line and column of what a key says.
fn place_of_value(text: &str, key: &str) -> (usize, usize) {
    let number = line_of(text, key);
    let line = text.lines().nth(number - 1).unwrap_or_default();
    let before = line.split_inclusive(':').next().unwrap_or_default();
    let spaces = line[before.len()..]
        .chars()
        .take_while(|c| *c == ' ')
        .count();
    (number, before.chars().count() + spaces + 1)
}

/// The name for an app that is nearest to what somebody wrote.
fn usable(name: &str) -> String {
    let plain = |c: char| {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            c
        } else {
            '-'
        }
    };
    let spelled: String = name.chars().map(plain).collect();
    let parts: Vec<&str> = spelled.split('-').filter(|p| !p.is_empty()).collect();
    let joined: String = parts.join("-").chars().take(63).collect();
    match joined.trim_end_matches('-') {
        "" => "app".to_owned(),
        name => name.to_owned(),
    }
}

fn line_of(text: &str, key: &str) -> usize {
    text.lines()
        .position(|l| {
            l.trim_start()
                .trim_start_matches(['"', '\''])
                .starts_with(key)
        })
        .map_or(1, |i| i + 1)
}

fn located(error: &serde_yaml::Error) -> DescriptorError {
    let (line, column) = error.location().map_or((1, 1), |l| (l.line(), l.column()));
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    at(line, column, message)
}

fn nearest(name: &str) -> &'static str {
    KEYS.iter()
        .copied()
        .min_by_key(|key| distance(name, key))
        .unwrap_or("app_name")
}

/// How many letters differ, by Levenshtein.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_example_is_read() {
        let text = "marathon_url: http://localhost:8080\napp_name: mh9test\nrepo_url: https://github.com/mhausenblas/s4d\npublic_node: 52.37.239.156\ntrigger_branch: master\n";
        let read = Descriptor::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (
                read.app_name.as_str(),
                read.trigger_branch.as_deref(),
                read.prune
            ),
            ("mh9test", Some("master"), false)
        );
    }

    #[test]
    fn an_error_names_the_place_and_the_way_out() {
        let error = |text: &str| Descriptor::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            error("app_name: a\ntriger_branch: b\n"),
            "dploy.app:2:1: unknown key \"triger_branch\"; did you mean \"trigger_branch\"?"
        );
        assert!(
            error("app_name: a\napp_name: b\n").starts_with("dploy.app:"),
            "{}",
            error("app_name: a\napp_name: b\n")
        );
        assert!(error("marathon_url: x\n").contains("app_name"));
        let changeme = error("marathon_url: x\napp_name: CHANGEME\n");
        assert!(
            changeme
                .starts_with("dploy.app:2:11: app_name \"CHANGEME\" is not an app name: 1 to 63")
                && changeme.ends_with("\"changeme\" would do"),
            "{changeme}"
        );
        for (name, instead) in [
            ("Mh9 test_App", "mh9-test-app"),
            ("'-ä-'", "app"),
            ("a/b", "a-b"),
        ] {
            let error = error(&format!("app_name: {name}\n"));
            assert!(error.ends_with(&format!("{instead:?} would do")), "{error}");
        }
        assert!(
            error("app_name: [\n").starts_with("dploy.app:2:"),
            "{}",
            error("app_name: [\n")
        );
        assert!(
            error("app_name: a\nprune: maybe\n").starts_with("dploy.app:2:8"),
            "{}",
            error("app_name: a\nprune: maybe\n")
        );
        assert!(error("").contains("app_name"));
    }
}
