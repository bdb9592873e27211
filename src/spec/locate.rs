//! Where in a JSON text a value stands, so that an error can name line and column.

use std::collections::BTreeMap;

/// Line and column, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// The positions of all values of a document, by JSON pointer, and the first key that stands twice.
pub struct Positions {
    by_pointer: BTreeMap<String, usize>,
    /// The pointer and position of a key that its object has twice.
    pub duplicate: Option<(String, Position)>,
}

impl Positions {
    /// Walks `text`, which must be valid JSON.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut walker = Walker {
            text,
            bytes: text.as_bytes(),
            at: 0,
            found: Self {
                by_pointer: BTreeMap::new(),
                duplicate: None,
            },
        };
        walker.value(String::new());
        walker.found
    }

    /// Where the value at `pointer` begins; the nearest thing around it when it does not exist.
    #[must_use]
    pub fn get(&self, text: &str, pointer: &str) -> Position {
        let mut pointer = pointer;
        loop {
            if let Some(at) = self.by_pointer.get(pointer) {
                return position(text, *at);
            }
            match pointer.rfind('/') {
                Some(cut) => pointer = &pointer[..cut],
                None => return Position { line: 1, column: 1 },
            }
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
    found: Positions,
}

impl Walker<'_> {
    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn value(&mut self, pointer: String) {
        self.blank();
        let here = self.at;
        match self.bytes.get(self.at) {
            Some(b'{') => self.object(&pointer),
            Some(b'[') => self.array(&pointer),
            Some(b'"') => {
                self.string();
            }
            _ => {
                while self
                    .bytes
                    .get(self.at)
                    .is_some_and(|b| !b",]}".contains(b) && !b.is_ascii_whitespace())
                {
                    self.at += 1;
                }
            }
        }
        self.found.by_pointer.insert(pointer, here);
    }

    fn object(&mut self, pointer: &str) {
        self.at += 1;
        loop {
            self.blank();
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let key_at = self.at;
                    let key = self.string();
                    let child = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    if self.found.by_pointer.contains_key(&child) && self.found.duplicate.is_none()
                    {
                        self.found.duplicate = Some((child.clone(), position(self.text, key_at)));
                    }
                    self.blank();
                    self.at += 1; // the colon
                    self.value(child);
                }
                Some(b',') => self.at += 1,
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    fn array(&mut self, pointer: &str) {
        self.at += 1;
        let mut index = 0;
        loop {
            self.blank();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                None | Some(b']') => {
                    self.at += 1;
                    return;
                }
                Some(_) => {
                    self.value(format!("{pointer}/{index}"));
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
        let found = Positions::of(text);
        assert_eq!(
            found.get(text, "/a/1/ü"),
            Position {
                line: 2,
                column: 18
            }
        );
        assert_eq!(
            found.get(text, "/b\""),
            Position {
                line: 3,
                column: 10
            }
        );
        assert_eq!(found.get(text, "/a/7/x"), Position { line: 2, column: 8 });
        assert!(found.duplicate.is_none());
        let twice = "{\"a\": 1,\n \"a\": 2}";
        let (pointer, at) = Positions::of(twice).duplicate.unwrap();
        assert_eq!(
            (pointer.as_str(), at),
            ("/a", Position { line: 2, column: 2 })
        );
    }
}
