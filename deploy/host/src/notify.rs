//! What systemd is told of a service of `Type=notify`: a datagram of `NAME=value` lines to the socket that it names in
//! `NOTIFY_SOCKET`. Whoever was started by somebody else tells nobody, and never fails for it: a word that does not
//! arrive is missed by systemd, which acts on its own time limits.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// It serves. The process is named too, since it may be one that took over from another of the same service.
pub fn ready() {
    tell(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// It ends as it was told to, and may take its time.
pub fn stopping() {
    tell("STOPPING=1");
}

/// Its successor is coming up beside it.
pub fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let microseconds = now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000;
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// From here on that process is the service: this one may end without the service being taken for dead.
pub fn succeeded_by(pid: u32) {
    tell(&format!("MAINPID={pid}"));
}

/// It still turns. To be said at least as often as [`watchdog_interval`] says.
pub fn alive() {
    tell("WATCHDOG=1");
}

/// The word of a loop: ready after its first turn, alive after later ones, as often as that has to be said.
#[derive(Debug, Default)]
pub struct Pulse {
    due: Option<Instant>,
    is_ready: bool,
}

impl Pulse {
    pub fn beat(&mut self) {
        let now = Instant::now();
        if !self.is_ready {
            self.is_ready = true;
            ready();
        } else if self.due.is_some_and(|due| due <= now) {
            alive();
        } else if self.due.is_some() {
            return;
        }
        self.due = watchdog_interval().map(|interval| now + interval);
    }
}

/// How often systemd has to hear that this process is alive: twice within the time after which it ends it.
pub fn watchdog_interval() -> Option<Duration> {
    let variable = |name: &str| std::env::var(name).ok();
    interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id())
}

fn interval(microseconds: Option<String>, meant_for: Option<String>, own: u32) -> Option<Duration> {
    if meant_for.is_some_and(|pid| pid != own.to_string()) {
        return None;
    }
    let microseconds: u64 = microseconds?.parse().ok()?;
    (microseconds > 0).then(|| Duration::from_micros(microseconds) / 2)
}

fn tell(message: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, message) {
        tracing::warn!(%error, socket = %socket.display(), "systemd could not be told `{}`", message.replace('\n', ", "));
    }
}

/// A name that begins with `@` is one of Linux's abstract ones, which lie in no folder.
fn send(socket: &OsString, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(message.as_bytes(), &address)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(by: &UnixDatagram) -> String {
        by.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut bytes = [0; 256];
        let length = by.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_word_arrives_by_path_and_by_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        send(&path.into_os_string(), "READY=1").unwrap();
        assert_eq!(heard(&by_path), "READY=1");

        let name = format!("host-notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        send(&format!("@{name}").into(), "WATCHDOG=1").unwrap();
        assert_eq!(heard(&by_name), "WATCHDOG=1");
    }

    #[test]
    fn nobody_there_is_an_error_and_no_panic() {
        assert!(send(&"/nonexistent/notify".into(), "READY=1").is_err());
    }

    #[test]
    fn the_watchdog_is_fed_twice_within_its_time_by_the_process_that_is_meant() {
        let interval =
            |microseconds: &str, pid: Option<&str>| interval(Some(microseconds.to_owned()), pid.map(str::to_owned), 7);
        assert_eq!(interval("3000000", None), Some(Duration::from_millis(1_500)));
        assert_eq!(interval("3000000", Some("7")), Some(Duration::from_millis(1_500)));
        assert_eq!(interval("3000000", Some("8")), None);
        assert_eq!(interval("0", None), None);
        assert_eq!(interval("soon", None), None);
        assert_eq!(super::interval(None, None, 7), None);
    }
}
