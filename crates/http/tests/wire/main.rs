//! Black-box tests of the crate, byte by byte as a client would send them.
//!
//! One test binary, because the modules share the corpus.

mod body;
mod build;
mod corpus;
mod head;
mod properties;
mod reply;
