//! The API, as people read it.

use askama::Template;

use super::chrome::Chrome;
use super::part::{self, render};

/// All of it.
#[derive(Debug, Clone)]
pub struct Manual {
    /// What holds for all calls.
    pub says: String,
    /// The calls, by what they are about.
    pub parts: Vec<Part>,
    /// What answers and bodies look like.
    pub shapes: Vec<Shape>,
}

/// Calls about one thing.
#[derive(Debug, Clone)]
pub struct Part {
    /// What they are about.
    pub name: String,
    /// What holds for them.
    pub says: String,
    /// They, by path.
    pub calls: Vec<Call>,
}

/// One method of one path.
#[derive(Debug, Clone)]
pub struct Call {
    /// Names it.
    pub id: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// What it does.
    pub says: String,
    /// Who may call it.
    pub who: String,
    /// What stands in path, query and headers.
    pub parameters: Vec<Field>,
    /// What stands in the body.
    pub body: Vec<Field>,
    /// What it is answered with.
    pub answers: Vec<Answer>,
}

/// A field or a parameter.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// `path`, `query`, `header`, `body`.
    pub place: String,
    /// Its types.
    pub kind: Vec<String>,
    /// Whether it must be there.
    pub needed: bool,
    /// What it means.
    pub says: String,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: String,
    /// When.
    pub says: String,
    /// Media types, each with its types.
    pub content: Vec<(String, Vec<String>)>,
}

/// A type that has a name.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// What it is.
    pub says: String,
    /// Its fields.
    pub fields: Vec<Field>,
    /// Or its words, each with what it means.
    pub words: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "docs.html")]
struct View<'a> {
    chrome: &'a Chrome,
    title: &'static str,
    json: Option<String>,
    manual: &'a Manual,
}

impl View<'_> {
    /// A type's name without what surrounds it, where there is a shape of this name.
    fn shape<'t>(&self, kind: &'t str) -> Option<&'t str> {
        let name = kind.rsplit(' ').next()?;
        let known = self.manual.shapes.iter().any(|s| s.name == name);
        known.then_some(name)
    }
}

/// `GET /docs`.
#[must_use]
pub fn docs(chrome: &Chrome, manual: &Manual) -> String {
    render(&View {
        chrome,
        title: "API",
        json: Some("/openapi.json".to_owned()),
        manual,
    })
}
