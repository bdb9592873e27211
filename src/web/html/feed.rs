//! A feed of what happened, in Atom.

use askama::Template;

/// All of it.
#[derive(Template)]
#[template(path = "feed.xml")]
pub struct Feed {
    /// What it is a feed of.
    pub title: String,
    /// Its own address, whole.
    pub address: String,
    /// The page that it goes with.
    pub page: String,
    /// When the newest entry was made.
    pub updated: String,
    /// The version of the observer.
    pub version: &'static str,
    /// Newest first.
    pub entries: Vec<Entry>,
}

/// One thing that happened.
pub struct Entry {
    /// Names it for ever.
    pub id: String,
    /// It, in a line.
    pub title: String,
    /// It, in whole.
    pub said: String,
    /// When.
    pub at: String,
    /// Who.
    pub by: String,
    /// The kind of event.
    pub kind: String,
    /// Where to see more.
    pub page: String,
}
