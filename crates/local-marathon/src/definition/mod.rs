//! What an app may be: bodies as they are sent, completed, checked, and kept as a tree.
//!
//! Some of it nobody meets who only tries the product. It stays because clients of others or the recordings of a real Marathon
//! have it: `older_fields`, `container` and `resident` (specs written for older Marathons are refused or completed as there),
//! `scala_text` (the `reason` of `group_change_failed`), and in `api` the whole grammar of label selectors (`dcoscli`; the product asks for one label).

pub mod app;
pub mod complete;
pub mod constraint;
pub mod container;
pub mod id;
pub mod json;
pub mod limit;
pub mod older_fields;
pub mod refusal;
pub mod resident;
pub mod scala_text;
pub mod schema;
pub mod shape;
pub mod submit;
pub mod tree;
pub mod validate;
