//! What the local Marathon and the local GitHub both need: they start processes and hold credentials, so only programs on this
//! machine may talk to them. Both keep what they know in a file, let things go wrong on demand, and show people pages.

pub mod fault;
pub mod file;
pub mod guard;
pub mod http;
pub mod lock;
pub mod page;
