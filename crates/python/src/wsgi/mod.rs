//! The WSGI boundary (PEP 3333): a request becomes an environ, and what the application returns becomes a reply.
//!
//! `environ.rs` makes the environ, `start_response.rs` takes status and headers, `respond.rs` sends what the
//! application returns, `reply.rs` frames the bytes, `reply_slot.rs` says who may touch them, `failure.rs` answers for
//! an application that failed.

pub(crate) mod client;
pub(crate) mod environ;
pub(crate) mod failure;
pub(crate) mod file_wrapper;
pub(crate) mod header_names;
pub(crate) mod held;
pub(crate) mod input;
pub(crate) mod latin1;
pub(crate) mod reply;
pub(crate) mod reply_slot;
pub(crate) mod respond;
pub(crate) mod reused;
pub(crate) mod start_response;
