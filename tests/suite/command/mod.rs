//! The programs as somebody types them.

mod access;
mod destroy;
mod errors;
mod following;
mod launch;
mod local;
mod logs;
mod manual;
mod observer;
mod places;
mod programs;
mod progress;
mod transcript;
mod trust;
