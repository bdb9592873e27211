//! Label selectors of `GET /v2/apps?label=`: `a`, `a==1`, `a!=1`, `a in (x,y)`, `a notin (x,y)`, joined by commas.

use serde_json::{Map, Value};

enum Term {
    Has(String),
    Is(String, Vec<String>, bool),
}

/// A parsed selector.
pub struct Selector(Vec<Term>);

impl Selector {
    /// Parses a selector.
    ///
    /// # Errors
    /// What was expected where the grammar is not met.
    pub fn parse(text: &str) -> Result<Self, String> {
        let terms = split(text);
        let terms = terms.iter().map(|term| parse_term(term.trim()));
        terms.collect::<Result<_, _>>().map(Self)
    }

    /// Whether these labels meet all terms.
    pub fn matches(&self, labels: &Map<String, Value>) -> bool {
        self.0.iter().all(|term| match term {
            Term::Has(key) => labels.contains_key(key),
            Term::Is(key, values, wanted) => {
                let value = labels.get(key).and_then(Value::as_str);
                value.is_some_and(|v| values.iter().any(|w| w == v) == *wanted)
            }
        })
    }
}

/// At the commas outside parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut terms, mut depth) = (vec![String::new()], 0_u32);
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match terms.last_mut() {
            Some(_) if c == ',' && depth == 0 => terms.push(String::new()),
            Some(last) => last.push(c),
            None => {}
        }
    }
    terms
}

fn parse_term(term: &str) -> Result<Term, String> {
    let (key, rest) = word(term)?;
    let rest = rest.trim_start();
    for (operator, wanted) in [("==", true), ("!=", false)] {
        if let Some(value) = rest.strip_prefix(operator) {
            let (value, rest) = word(value)?;
            return end(rest).map(|()| Term::Is(key, vec![value], wanted));
        }
    }
    for (operator, wanted) in [("notin ", false), ("in ", true)] {
        if let Some(set) = rest.strip_prefix(operator) {
            return values(set).map(|values| Term::Is(key, values, wanted));
        }
    }
    end(rest).map(|()| Term::Has(key))
}

fn values(set: &str) -> Result<Vec<String>, String> {
    let set = set.trim();
    let found = |rest: &str| {
        rest.chars()
            .next()
            .map_or("end of source".to_owned(), |c| format!("'{c}'"))
    };
    let inner = set
        .strip_prefix('(')
        .ok_or_else(|| format!("'(' expected but {} found", found(set)))?;
    let inner = inner
        .strip_suffix(')')
        .ok_or("')' expected but end of source found")?;
    let words = inner.split(',').filter(|w| !w.trim().is_empty());
    words.map(|w| word(w).map(|(w, _)| w)).collect()
}

fn end(rest: &str) -> Result<(), String> {
    match rest.trim().chars().next() {
        None => Ok(()),
        Some(c) => Err(format!("',' expected but '{c}' found")),
    }
}

/// The word at the beginning, and what comes after it.
fn word(text: &str) -> Result<(String, &str), String> {
    let text = text.trim_start();
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let length = text.find(|c| !good(c)).unwrap_or(text.len());
    if length > 0 {
        return Ok((text[..length].to_owned(), &text[length..]));
    }
    let found = text
        .chars()
        .next()
        .map_or("end of source".to_owned(), |c| format!("'{c}'"));
    let form = r"(\\.|[-A-Za-z0-9_.])+";
    Err(format!(
        "string matching regex '{form}' expected but {found} found"
    ))
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use serde_json::{Value, json};

    #[test]
    fn selectors_select() {
        let labels: serde_json::Map<String, Value> = json!({ "a": "1", "b": "x" })
            .as_object()
            .cloned()
            .unwrap_or_default();
        for (text, fits) in [
            ("a", true),
            ("a==1", true),
            ("a!=1", false),
            ("b in (x,y)", true),
            ("b notin (x,y)", false),
            ("c!=1", false),
            ("a==1, b", true),
            ("a==1,c", false),
        ] {
            assert_eq!(
                Selector::parse(text).unwrap().matches(&labels),
                fits,
                "{text}"
            );
        }
        assert!(Selector::parse("!a").is_err() && Selector::parse("a=1").is_err());
    }
}
