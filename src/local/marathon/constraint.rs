//! Placement constraints: may a task of this app go to that agent?

use regex_lite::Regex;
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

/// Whether the whole text is of that form; Java's look-arounds and back references fit nothing here.
fn is_like(form: &str, text: &str) -> bool {
    Regex::new(&format!("^(?:{form})$")).is_ok_and(|form| form.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::{is_like, is_met};
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
}
