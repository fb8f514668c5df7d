//! The monotonic clock, which runs on while routers come and go, but not across a reboot.

use anyhow::{Context, Result};

/// A moment, comparable only with others of the same boot.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    pub boot: String,
    pub ms: u64,
}

impl Moment {
    pub fn after_ms(&self, ms: u64) -> Self {
        Self {
            boot: self.boot.clone(),
            ms: self.ms.saturating_add(ms),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Clock {
    boot: String,
    milliseconds: fn() -> u64,
}

impl Clock {
    /// Told by `milliseconds`, which count on while `boot` lasts.
    pub fn new(boot: String, milliseconds: fn() -> u64) -> Self {
        Self { boot, milliseconds }
    }

    pub fn of_this_machine() -> Result<Self> {
        let path = "/proc/sys/kernel/random/boot_id";
        let boot = std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
        Ok(Self::new(boot.trim().to_owned(), monotonic_ms))
    }

    pub fn now(&self) -> Moment {
        Moment {
            boot: self.boot.clone(),
            ms: (self.milliseconds)(),
        }
    }
}

fn monotonic_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
