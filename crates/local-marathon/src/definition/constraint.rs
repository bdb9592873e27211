//! Placement constraints: may a task of this app go to that agent?

use regex_lite::{Regex, RegexBuilder};
use serde_json::Value;

/// Whether `host` meets a constraint `[field, operator, value?]`. `others` are the hosts of the app's live tasks,
/// `hosts` all there are. Agents have a `hostname` and no attributes.
pub fn is_met(constraint: &Value, host: &str, others: &[&str], hosts: &[&str]) -> bool {
    let word = |index: usize| constraint[index].as_str();
    let (Some(field), Some(operator)) = (word(0), word(1)) else {
        return true;
    };
    let value = word(2).unwrap_or_default();
    if field != "hostname" {
        return operator == "UNLIKE";
    }
    let count = |host: &str| others.iter().filter(|o| **o == host).count();
    match operator {
        "UNIQUE" => count(host) == 0,
        "CLUSTER" if value.is_empty() => others.iter().all(|o| *o == host),
        "CLUSTER" | "IS" => value == host,
        "MAX_PER" => value.parse::<usize>().is_ok_and(|max| count(host) < max),
        "GROUP_BY" => hosts.iter().all(|h| count(host) <= count(h)),
        "LIKE" => is_like(value, host),
        "UNLIKE" => !is_like(value, host),
        _ => true,
    }
}

/// Whether the whole text is of that form. Forms that cannot be read are refused before they come here; one that was
/// saved by an earlier release fits nothing.
fn is_like(form: &str, text: &str) -> bool {
    expression(form).is_ok_and(|form| form.is_match(text))
}

/// A regular expression as Marathon takes it, for a whole text.
///
/// Marathon reads it as Java does, and here `regex_lite` does. Of what only Java knows (look-around, back references,
/// atomic groups, properties, classes within classes, possessive repetitions) nothing is guessed at: it is refused, with
/// a sentence that says so. What `regex_lite` takes beyond Java (such as `a**`) is taken.
///
/// # Errors
/// In Marathon's words, or in ours where it is only we who cannot read it.
pub fn expression(form: &str) -> Result<Regex, String> {
    let read = |form: &str| RegexBuilder::new(form).size_limit(LONGEST).build();
    // alone first: `a)(b` would become valid with something around it
    let whole = read(form).and_then(|_| read(&format!("^(?:{form})$")));
    let ours =
        |why: &str| format!("is not a regular expression that the local Marathon can read: {why}");
    match whole {
        Ok(_) if is_possessive(form) => Err(ours("possessive repetitions are not supported")),
        Ok(whole) => Ok(whole),
        Err(error) => {
            let why = error.to_string();
            let javas = OURS.iter().any(|word| why.contains(word));
            let marathons = "is not a valid regular expression".to_owned();
            Err(if javas { ours(&why) } else { marathons })
        }
    }
}

/// Words in complaints of `regex_lite` about what Java may well take.
const OURS: [&str; 4] = ["supported", "unrecognized", "limit", "too m"];

/// A regular expression that becomes larger than this is refused: it is read at every offer.
const LONGEST: usize = 1 << 20;

/// Whether a repetition has a `+` behind it. In Java that makes it possessive; `regex_lite` would repeat the repetition.
fn is_possessive(form: &str) -> bool {
    let (mut class, mut repeated) = (false, false);
    let mut chars = form.chars();
    while let Some(c) = chars.next() {
        if repeated && c == '+' {
            return true;
        }
        repeated = !class && matches!(c, '*' | '+' | '?' | '}');
        match c {
            '\\' => drop(chars.next()),
            ']' => class = false,
            '[' if !class => {
                class = true;
                // a bracket that comes first stands for itself
                let rest = chars.as_str();
                let rest = rest.strip_prefix('^').unwrap_or(rest);
                chars = rest.strip_prefix(']').unwrap_or(rest).chars();
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::{expression, is_like, is_met};
    use serde_json::json;

    #[test]
    fn constraints_look_at_the_hosts_of_the_other_tasks() {
        let hosts = ["127.0.0.1", "localhost"];
        assert!(!is_met(
            &json!(["hostname", "UNIQUE"]),
            "localhost",
            &["localhost"],
            &hosts
        ));
        assert!(is_met(
            &json!(["hostname", "GROUP_BY"]),
            "127.0.0.1",
            &["localhost"],
            &hosts
        ));
        assert!(!is_met(
            &json!(["hostname", "CLUSTER", "nowhere"]),
            "localhost",
            &[],
            &hosts
        ));
        assert!(!is_met(
            &json!(["rack", "LIKE", "r1"]),
            "localhost",
            &[],
            &hosts
        ));
    }

    #[test]
    fn simple_forms_are_matched() {
        for (form, text, fits) in [
            ("local.*", "localhost", true),
            ("a|localhost", "localhost", true),
            ("127.+", "127.0.0.1", true),
            ("loc", "localhost", false),
            ("(localhost|[0-9.]+)", "127.0.0.1", true),
            ("[a-k]+", "localhost", false),
        ] {
            assert_eq!(is_like(form, text), fits, "{form}");
        }
    }
    #[test]
    fn an_expression_is_what_the_engine_can_read() {
        for form in ["a+", "[(]", "[]*+]+", r"\++", "(a|b)*c?", "a{2,3}", "x}"] {
            assert!(expression(form).is_ok(), "{form}");
        }
        for form in ["[z-a]", "(", "*a", "a)(b", "a{3,2}", "[a", r"a\"] {
            let error = expression(form).unwrap_err();
            assert_eq!(error, "is not a valid regular expression", "{form}");
        }
        for (form, why) in [
            ("(?=a)b", "look-around"),
            ("(?<!a)b", "look-around"),
            (r"(a)\1", "backreferences"),
            (r"\p{Alpha}", "Unicode"),
            ("[a-z&&[^b]]", "character class"),
            ("(?>a)", "flag"),
            (r"\Qa\E", "escape"),
            ("a++b", "possessive"),
            ("a{2}+", "possessive"),
            ("[a]?+", "possessive"),
            ("(a{1000}){1000}", "limit"),
        ] {
            let error = expression(form).unwrap_err();
            let ours = "is not a regular expression that the local Marathon can read: ";
            assert!(
                error.starts_with(ours) && error.contains(why),
                "{form}: {error}"
            );
        }
    }
}
