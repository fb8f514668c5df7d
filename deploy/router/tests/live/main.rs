//! The real router process between real sockets: raw or plain HTTP clients before it, small servers behind it.

mod access_log;
mod admin;
mod backend;
mod client;
mod forwarding;
mod hold;
mod host;
mod http2;
mod replicas;
mod restart;
mod secure;
mod shield;
mod sites;
mod smuggling;
mod splitting;
mod systemd;
