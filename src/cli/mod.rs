//! The command line: `weir serve`, `demo`, `check`. Flags become a configuration; what a command does is in its own file.

mod admin;
mod args;
mod check;
mod demo;
mod descriptors;
mod serve;
mod serving;
mod shipped;

pub use args::run;
