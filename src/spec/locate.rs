//! Where in a JSON text a value stands, so that an error can name line and column.

use std::collections::BTreeSet;

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The first key of a document that its object has twice: its pointer and its position. What is kept meanwhile is in proportion
/// to the text, whatever its shape: no pointer is made for what is not said.
#[must_use]
pub fn duplicate(text: &str) -> Option<(String, Position)> {
    let mut walker = Walker::of(text);
    let mut path = Vec::new();
    walker.first_twice(&mut path).map(|at| {
        let pointer: Vec<String> = path.into_iter().map(|step| step.pointer()).collect();
        (pointer.concat(), position(text, at))
    })
}

/// Where the value at `pointer` begins, in a text that is valid JSON; the nearest thing around it when it does not exist.
#[must_use]
pub fn find(text: &str, pointer: &str) -> Position {
    let mut walker = Walker::of(text);
    walker.blank();
    let mut at = walker.at;
    for step in pointer.split('/').skip(1) {
        match walker.enter(&step.replace("~1", "/").replace("~0", "~")) {
            Some(found) => at = found,
            None => break,
        }
    }
    position(text, at)
}

/// A step of a path: a key, or a place in a list.
enum Step {
    Key(String),
    Index(usize),
}

impl Step {
    fn pointer(&self) -> String {
        match self {
            Self::Key(key) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Self::Index(index) => format!("/{index}"),
        }
    }
}

/// Line and column of a byte offset.
#[must_use]
pub fn position(text: &str, at: usize) -> Position {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

struct Walker<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walker<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
        }
    }

    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    /// Goes past what begins here: a scalar at once.
    fn scalar(&mut self) {
        if self.bytes.get(self.at) == Some(&b'"') {
            self.string();
            return;
        }
        while self
            .bytes
            .get(self.at)
            .is_some_and(|b| !b",]}".contains(b) && !b.is_ascii_whitespace())
        {
            self.at += 1;
        }
    }

    /// Goes past a value.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        loop {
            self.blank();
            match self.bytes.get(self.at) {
                Some(b'{' | b'[') => {
                    depth += 1;
                    self.at += 1;
                }
                Some(b'}' | b']') => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                Some(b',' | b':') => self.at += 1,
                Some(_) => self.scalar(),
                None => return,
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Goes into the value that begins here, to what it has by this name or at this place; answers where that begins.
    fn enter(&mut self, step: &str) -> Option<usize> {
        self.blank();
        let is_object = match self.bytes.get(self.at) {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return None,
        };
        self.at += 1;
        let mut index = 0_usize;
        loop {
            self.blank();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                None | Some(b'}' | b']') => return None,
                Some(_) => {
                    let here = if is_object {
                        let key = self.string();
                        self.blank();
                        self.at += 1; // the colon
                        key == step
                    } else {
                        index.to_string() == step
                    };
                    self.blank();
                    if here {
                        return Some(self.at);
                    }
                    self.skip();
                    index += 1;
                }
            }
        }
    }

    /// The first key that stands twice in its object; `path` then leads to it.
    fn first_twice(&mut self, path: &mut Vec<Step>) -> Option<usize> {
        self.blank();
        let is_object = match self.bytes.get(self.at) {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => {
                self.scalar();
                return None;
            }
        };
        self.at += 1;
        let mut keys = BTreeSet::new();
        let mut index = 0;
        loop {
            self.blank();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                None | Some(b'}' | b']') => {
                    self.at += 1;
                    return None;
                }
                Some(_) if is_object => {
                    let key_at = self.at;
                    let key = self.string();
                    path.push(Step::Key(key.clone()));
                    if !keys.insert(key) {
                        return Some(key_at);
                    }
                    self.blank();
                    self.at += 1; // the colon
                    if let Some(found) = self.first_twice(path) {
                        return Some(found);
                    }
                    path.pop();
                }
                Some(_) => {
                    path.push(Step::Index(index));
                    if let Some(found) = self.first_twice(path) {
                        return Some(found);
                    }
                    path.pop();
                    index += 1;
                }
            }
        }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'"' => break,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text
            .get(start..self.at)
            .and_then(|quoted| serde_json::from_str(quoted).ok())
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_where_it_stands() {
        let text = "{\n  \"a\": [1, {\"ü\": 2}],\n  \"b\\\"\": true\n}";
        assert_eq!(
            find(text, "/a/1/ü"),
            Position {
                line: 2,
                column: 18
            }
        );
        assert_eq!(
            find(text, "/b\""),
            Position {
                line: 3,
                column: 10
            }
        );
        assert_eq!(find(text, "/a/7/x"), Position { line: 2, column: 8 });
        assert!(duplicate(text).is_none());
        let twice = "{\"a\": 1,\n \"a\": 2}";
        let (pointer, at) = duplicate(twice).unwrap();
        assert_eq!(
            (pointer.as_str(), at),
            ("/a", Position { line: 2, column: 2 })
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_found_where_it_is() {
        for (text, pointer) in [
            (
                "{\"a\": [{}, {\"b\": 1, \"c\": {\"b\": 2}, \"b\": 3}]}",
                "/a/1/b",
            ),
            ("[{\"a\": 1}, {\"a\": 1, \"a\": 2}]", "/1/a"),
            ("{\"a\": {\"x~/\": 1, \"x~/\": 1}}", "/a/x~0~1"),
        ] {
            assert_eq!(duplicate(text).map(|(p, _)| p).as_deref(), Some(pointer));
        }
        for text in ["{}", "[]", "1", "{\"a\": {\"a\": [\"a\", \"a\"]}}"] {
            assert!(duplicate(text).is_none(), "{text}");
        }
    }
}
