//! What people and monitors see, and what is made of it: figures over time, advice, the number of workers, the admin endpoint.

pub(crate) mod admin;
pub(crate) mod advice;
pub(crate) mod overseer;
pub(crate) mod pool;
pub(crate) mod watch;
