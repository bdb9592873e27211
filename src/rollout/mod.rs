//! A rollout in Marathon, whoever began it: what runs, how well it is, why it does not get on, and how it is taken over
//! or ended without losing what is healthy. The observer and the command line say the same because both ask here.

mod doubts;
mod look;
mod now;
mod room;
mod standing;

pub use doubts::Doubts;
pub use look::{Look, apps, is_of, labelled, look, look_in, ours, running};
pub use now::{Now, Stage, now, restarts};
pub use room::{Journal, Room, View, Wiped, is_crowded, make_room, wipe, with_room};
pub use standing::{Given, Standing, Standings, deadline_sentence};
