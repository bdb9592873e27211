//! What an app may be: bodies as they are sent, completed, checked, and kept as a tree.

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
