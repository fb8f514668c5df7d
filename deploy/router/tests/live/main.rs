//! The real router process between real sockets: raw or plain HTTP clients before it, small servers behind it.

mod admin;
mod backend;
mod client;
mod forwarding;
mod host;
mod restart;
mod smuggling;
mod splitting;
