//! The client against Debian's docker-registry: plain, with passwords, with tokens, over TLS behind a proxy, over a line
//! that is cut; and what it pushed in the hands of a real Docker engine.
//!
//! Not part of a plain `cargo test`, because it needs `docker-registry`, `openssl` and an engine.

mod authentication;
mod cut_line;
mod engine;
mod parts;
mod proxy;
mod pushing;
