//! Pages, API and the webhook route.

pub mod html;
