//! Every bound of the router in one place.

use std::time::Duration;

/// Connections open at once; more wait in the listening socket's queue.
pub const CONNECTIONS: usize = 10_000;
/// Requests being answered at once; more get 503.
pub const REQUESTS_IN_FLIGHT: usize = 4_096;
/// A request's head: method, path and all headers. The parser allows 100 headers within it.
pub const HEAD_BYTES: usize = 64 * 1024;
/// From the first byte of a request's head to its last.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// What an answer's client lets lie without taking a byte of it.
pub const SLOW_READER: Duration = Duration::from_secs(60);
/// A connection without a request. Longer than the 60 s of a cloud load balancer in front, which must be the one to close.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How often a connection looks at its two timeouts.
pub const TIMEOUT_CHECK: Duration = Duration::from_secs(5);

/// Opening a connection to a backend, which is on this machine.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Tries to reach a backend for one request.
pub const ATTEMPTS: usize = 3;
/// Before a backend that could not be reached is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// Neither a byte of the request's body nor the answer's head.
pub const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes a second, on average, below which an upload is given up after that time.
pub const SLOWEST_UPLOAD: u64 = 64;
/// Requests at once in one HTTP/2 connection.
pub const STREAMS: u32 = 128;
/// An HTTP/2 connection is asked for a sign of life this often, and closed without one.
pub const PING: Duration = Duration::from_secs(30);
/// How long users may be made to wait by a pause.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A client that leaves sooner than this without an answer says nothing about the version.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(1);
/// Threads that serve users.
pub const WORKERS: usize = 16;
/// Idle connections kept open to one backend by one of them.
pub const POOL_CONNECTIONS: usize = 256;
/// Shorter than the 5 s after which common servers close an idle connection, so that the two ends do not cross.
pub const POOL_IDLE: Duration = Duration::from_secs(4);

/// What a router that was told to stop grants requests in flight.
pub const DRAIN: Duration = Duration::from_secs(30);
/// During a drain, a connection without a request is closed after this: a client about to use it gets the time to do so.
pub const DRAIN_IDLE: Duration = Duration::from_secs(2);
/// How long a new router waits for the one before it to give up the state file.
pub const HANDOVER: Duration = Duration::from_secs(10);
/// How long users wait for a router that lost its table to be sent one.
pub const FIRST_TABLE: Duration = Duration::from_secs(5);

/// How often the files of the certificate are looked at.
pub const CERTIFICATE_CHECK: Duration = Duration::from_secs(5);
pub const PEM_BYTES: u64 = 256 * 1024;
/// What waits for the disk of the access log; more is dropped, and counted.
pub const LOG_BYTES: usize = 4 * 1024 * 1024;
/// How long lines are gathered before they are written.
pub const LOG_PAUSE: Duration = Duration::from_millis(100);

pub const ADMIN_BODY_BYTES: usize = 64 * 1024;
pub const ADMIN_CONNECTIONS: usize = 32;
pub const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);
pub const STATE_FILE_BYTES: u64 = 1024 * 1024;
