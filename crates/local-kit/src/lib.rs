//! What the local Marathon and the local GitHub both need: they start processes and hold credentials, so only programs on this
//! machine may talk to them.

pub mod guard;
pub mod http;
pub mod lock;
pub mod page;
