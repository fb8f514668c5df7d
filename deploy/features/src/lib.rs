//! Nothing but a list of features.
//!
//! Cargo compiles a dependency once for each set of features it is asked for, and what is asked for depends on the
//! programs that are built together. The release tool is built alone, the programs of hosts and ground later: without this
//! crate, which they all depend on, most of what they share would be compiled twice. A repository test compares the two.
