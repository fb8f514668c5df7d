//! Every fault that a host must bear, under a load that counts. Each test prints how many requests were sent while its
//! fault lasted, and how many of them failed. `SOAK=1` repeats more, and waits longer.
//!
//! Some faults need a root user, who can mount a small disk and make it read-only.

mod away;
mod candidates;
mod clock;
mod cut;
mod deaths;
mod disk;
mod documents;
mod ground;
mod handover;
#[expect(dead_code, reason = "what the live tests alone use of it")]
#[path = "../live/host.rs"]
mod host;
#[expect(dead_code, reason = "the load here is another one")]
#[path = "../live/http.rs"]
mod http;
mod load;
#[expect(dead_code, reason = "what the live tests alone use of it")]
#[path = "../live/registry.rs"]
mod registry;
mod rollback;
mod socket;
mod tmpfs;

/// Whether there is time for the long form of a test.
pub fn is_soak() -> bool {
    std::env::var("SOAK").is_ok_and(|value| value == "1")
}
