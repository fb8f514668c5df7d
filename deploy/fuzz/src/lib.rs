//! What agents and routers read from outside, and what must hold of it whatever it is. Each target takes any bytes at all
//! and panics if something does not hold.
//!
//! `corpus/TARGET/` holds bytes that are of interest: `cargo test -p fuzz` gives each to its target, and so does every run
//! of the unit tier. `cargo xtask fuzz` looks for more, led by what code they reach (`bin/fuzz.rs`). An input it finds
//! goes into the corpus together with what makes it harmless.

mod admin;
mod agent_state;
mod desired;
mod head;
mod observed;
mod router_state;

/// What is held against an input.
pub type Target = fn(&[u8]);

/// By the name of their folder in `corpus/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("admin", admin::check),
    ("agent-state", agent_state::check),
    ("desired", desired::check),
    ("head", head::check),
    ("observed", observed::check),
    ("router-state", router_state::check),
];

/// Where targets that need a folder have theirs: in memory where there is such a place, for they sync their files.
fn folder() -> tempfile::TempDir {
    let places = ["/dev/shm", "/tmp"];
    let folder = places.iter().find_map(|place| tempfile::tempdir_in(place).ok());
    folder.expect("a folder for temporary files")
}
