//! The real supervisor with the real router, a stand-in for the agent, and clients that never retry.

mod host;
mod http;
mod lives;
mod load;
