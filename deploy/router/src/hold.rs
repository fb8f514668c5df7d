//! Users made to wait for a moment, or told to come back. Pure.

use crate::clock::Moment;
use crate::limits::LONGEST_PAUSE;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Hold {
    /// Requests wait until then, or until somebody says to go on; a pause that is forgotten ends by itself.
    Pause { until: Moment },
    /// Until somebody says to go on.
    Maintenance { retry_after_s: u32 },
}

impl Hold {
    pub fn begin(asked: &contract::Hold, now: &Moment) -> Self {
        match asked {
            contract::Hold::Pause { max_ms } => Self::Pause {
                until: now.after_ms((*max_ms).min(LONGEST_PAUSE.as_millis() as u64)),
            },
            contract::Hold::Maintenance { retry_after_s } => Self::Maintenance {
                retry_after_s: *retry_after_s,
            },
        }
    }

    /// After a reboot it cannot be told how long a pause had to go.
    pub fn is_over(&self, now: &Moment) -> bool {
        match self {
            Self::Pause { until } => until.boot != now.boot || until.ms <= now.ms,
            Self::Maintenance { .. } => false,
        }
    }

    pub fn status(&self, now: &Moment) -> contract::Hold {
        match self {
            Self::Pause { until } => contract::Hold::Pause {
                max_ms: until.ms.saturating_sub(now.ms),
            },
            Self::Maintenance { retry_after_s } => contract::Hold::Maintenance {
                retry_after_s: *retry_after_s,
            },
        }
    }
}
