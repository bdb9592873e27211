//! Times as people read them: relative at first sight, absolute for who wants to know.

use askama::Template;
use askama::filters::HtmlSafe;
use jiff::Timestamp;

/// A time: relative text, machine-readable, absolute UTC in the title.
#[derive(Template)]
#[template(
    source = r#"<time datetime="{{ iso }}" title="{{ absolute }}"{% if ticks %} data-ago{% endif %}>{{ relative }}</time>"#,
    ext = "html"
)]
pub(super) struct Time<'a> {
    iso: &'a str,
    absolute: String,
    relative: String,
    /// A browser may count on.
    ticks: bool,
}

impl HtmlSafe for Time<'_> {}

/// `iso` as seen at `now`; a text that is no time is shown as it is.
pub(super) fn time(iso: &str, now: Timestamp) -> Time<'_> {
    match iso.parse::<Timestamp>() {
        Ok(at) => Time {
            iso,
            absolute: absolute(at),
            relative: relative(at, now),
            ticks: true,
        },
        Err(_) => Time {
            iso,
            absolute: iso.to_owned(),
            relative: iso.to_owned(),
            ticks: false,
        },
    }
}

/// The time of day of `iso`, in UTC.
pub(super) fn clock(iso: &str) -> Time<'_> {
    match iso.parse::<Timestamp>() {
        Ok(at) => Time {
            iso,
            absolute: absolute(at),
            relative: at.strftime("%H:%M:%S").to_string(),
            ticks: false,
        },
        Err(_) => Time {
            iso,
            absolute: iso.to_owned(),
            relative: iso.to_owned(),
            ticks: false,
        },
    }
}

/// `2026-11-22 10:00:00 UTC`.
pub(super) fn absolute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let ago = now.as_second() - at.as_second();
    match ago {
        ..=-60 => format!("in {}", rough(-ago)),
        -59..5 => "just now".to_owned(),
        5..1_209_600 => format!("{} ago", rough(ago)),
        _ => at.strftime("%Y-%m-%d").to_string(),
    }
}

/// A number of seconds in its largest unit.
pub(super) fn rough(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long it is from `from` to `to`, in two units.
pub(super) fn lasted(from: &str, to: Timestamp) -> Option<String> {
    let from: Timestamp = from.parse().ok()?;
    let seconds = (to.as_second() - from.as_second()).max(0);
    Some(match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_relative_until_they_are_old() {
        let now = at("2026-11-22T10:00:00Z");
        for (then, said) in [
            ("2026-11-22T09:59:58Z", "just now"),
            ("2026-11-22T10:00:03Z", "just now"),
            ("2026-11-22T09:59:30Z", "30 s ago"),
            ("2026-11-22T09:57:00Z", "3 min ago"),
            ("2026-11-21T22:00:00Z", "12 h ago"),
            ("2026-11-15T10:00:00Z", "7 d ago"),
            ("2026-10-01T10:00:00Z", "2026-10-01"),
            ("2026-11-22T10:05:00Z", "in 5 min"),
        ] {
            assert_eq!(relative(at(then), now), said, "{then}");
        }
    }

    #[test]
    fn a_text_that_is_no_time_is_shown_as_it_is() {
        let html = time("<b>soon", at("2026-11-22T10:00:00Z")).to_string();
        assert!(html.ends_with(">&#60;b&#62;soon</time>"), "{html}");
    }

    #[test]
    fn durations_have_two_units() {
        let to = at("2026-11-22T10:00:00Z");
        let since = |from| lasted(from, to).unwrap();
        assert_eq!(since("2026-11-22T09:59:22Z"), "38 s");
        assert_eq!(since("2026-11-22T09:58:58Z"), "1 min 2 s");
        assert_eq!(since("2026-11-22T08:55:00Z"), "1 h 5 min");
        assert_eq!(since("2026-11-19T06:00:00Z"), "3 d 4 h");
        assert_eq!(lasted("never", to), None);
    }
}
