//! Label selectors of `GET /v2/apps?label=`: `a`, `a==1`, `a!=1`, `a in (x,y)`, `a notin (x,y)`, joined by commas.

use serde_json::{Map, Value};

enum Term {
    Has(String),
    Is(String, Vec<String>, bool),
}

/// A parsed selector.
pub struct Selector(Vec<Term>);

impl Selector {
    /// Parses a selector; `None` where the grammar is not met.
    pub fn parse(text: &str) -> Option<Self> {
        split(text)
            .iter()
            .map(|term| parse_term(term.trim()))
            .collect::<Option<_>>()
            .map(Self)
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

fn parse_term(term: &str) -> Option<Term> {
    for (operator, wanted) in [("==", true), ("!=", false)] {
        if let Some((key, value)) = term.split_once(operator) {
            return Some(Term::Is(word(key)?, vec![word(value)?], wanted));
        }
    }
    for (operator, wanted) in [(" notin ", false), (" in ", true)] {
        if let Some((key, set)) = term.split_once(operator) {
            let values = set.trim().strip_prefix('(')?.strip_suffix(')')?;
            let values = values.split(',').map(word).collect::<Option<Vec<_>>>()?;
            return Some(Term::Is(word(key)?, values, wanted));
        }
    }
    word(term).map(Term::Has)
}

fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let good = |c: char| c.is_alphanumeric() || "-_./:".contains(c);
    (!text.is_empty() && text.chars().all(good)).then(|| text.to_owned())
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
        assert!(Selector::parse("!a").is_none() && Selector::parse("a=1").is_none());
    }
}
