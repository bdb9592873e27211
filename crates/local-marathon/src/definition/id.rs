//! Ids of apps and groups: absolute paths such as `/shop/web`, cleaned of empty segments, `.` and `..`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The absolute id of an app or a group; `/` is the root group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Id(String);

impl Id {
    /// The root group.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// `text` as seen from the group `base`: absolute texts stand for themselves.
    pub fn resolve(base: &Self, text: &str) -> Self {
        let mut segments: Vec<&str> = if text.starts_with('/') {
            Vec::new()
        } else {
            base.segments().collect()
        };
        for segment in text.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name => segments.push(name),
            }
        }
        Self(format!("/{}", segments.join("/")))
    }

    /// An id from a path below a route, where everything is absolute.
    pub fn absolute(text: &str) -> Self {
        Self::resolve(&Self::root(), text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root group.
    pub fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The names between the slashes.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|s| !s.is_empty())
    }

    /// The group that holds this app or group; the root has none.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('/')?;
        match (self.is_root(), parent) {
            (true, _) => None,
            (false, "") => Some(Self::root()),
            (false, parent) => Some(Self(parent.to_owned())),
        }
    }

    /// All groups above, from the nearest to the root.
    pub fn ancestors(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// Whether this id lies somewhere below `group`.
    pub fn is_below(&self, group: &Self) -> bool {
        if group.is_root() {
            return !self.is_root();
        }
        self.0
            .strip_prefix(&group.0)
            .is_some_and(|rest| rest.starts_with('/'))
    }

    /// How task ids begin: `/shop/web` gives `shop_web`.
    pub fn task_prefix(&self) -> String {
        self.segments().collect::<Vec<_>>().join("_")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` may stand as an `id` in a body (Marathon's `error.pattern` otherwise).
pub fn is_well_formed(text: &str) -> bool {
    text.split('/')
        .all(|s| s.is_empty() || s == ".." || is_segment(s))
}

/// Whether a dependency or other path consists of good names; `.` and `..` count as good.
pub fn is_path(text: &str) -> bool {
    text.split('/')
        .all(|s| s.is_empty() || s == "." || s == ".." || is_segment(s))
}

fn is_segment(segment: &str) -> bool {
    segment.split('.').all(|label| {
        let bytes = label.as_bytes();
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !bytes.is_empty()
            && bytes.iter().all(|b| inner(b) || *b == b'-')
            && bytes.first().is_some_and(inner)
            && bytes.last().is_some_and(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::{Id, is_well_formed};

    #[test]
    fn paths_are_cleaned_and_resolved() {
        let group = Id::absolute("/g/svc");
        for (text, id) in [
            ("web", "/g/svc/web"),
            ("../db", "/g/db"),
            ("/x//y/", "/x/y"),
            ("/../x", "/x"),
        ] {
            assert_eq!(Id::resolve(&group, text).as_str(), id);
        }
        assert!(Id::absolute("/g/a").is_below(&Id::absolute("g")));
        assert!(!Id::absolute("/gg").is_below(&Id::absolute("/g")));
        assert_eq!(Id::absolute("/g/a").task_prefix(), "g_a");
    }

    #[test]
    fn names_are_like_host_names() {
        for good in ["/a", "a.b.c", "/a//b", "..", "/", "a-1"] {
            assert!(is_well_formed(good), "{good}");
        }
        for bad in ["/A", "a b", "a_b", "-a", "a-", "a..b", "."] {
            assert!(!is_well_formed(bad), "{bad}");
        }
    }
}
