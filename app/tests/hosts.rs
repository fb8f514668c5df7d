//! Several processes of the binary on one database, which `DATABASE_URL` names: its user must be allowed to create
//! databases, for every test has its own. `cargo test --workspace` leaves this out; run it by name:
//!
//!     DATABASE_URL=mysql://USER:PASSWORD@HOST:PORT/ANY cargo test --package instagram --test hosts

#[path = "hosts/access.rs"]
mod access;
#[path = "hosts/bucket.rs"]
mod bucket;
#[path = "hosts/connections.rs"]
mod connections;
#[path = "hosts/database.rs"]
mod database;
#[path = "hosts/host.rs"]
mod host;
#[path = "hosts/jobs.rs"]
mod jobs;
#[path = "hosts/line.rs"]
mod line;
#[path = "hosts/live.rs"]
mod live;
#[path = "hosts/messages.rs"]
mod messages;
#[path = "hosts/outage.rs"]
mod outage;
#[path = "hosts/sweep.rs"]
mod sweep;
#[path = "hosts/thumbnails.rs"]
mod thumbnails;
