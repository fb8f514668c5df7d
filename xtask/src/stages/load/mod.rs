//! What a new version does under a steady load before it gets traffic, and what the running one does under the same, at
//! the same time.

mod drive;
mod figures;

pub use figures::Figures;

use crate::failure::{Failure, Result};
use crate::plan::span;
use crate::report::Report;
use contract::{EnvironmentName, ReleaseId};
use drive::{Bounds, Drive, Schedule};
use figures::{Sample, latency};
use pipeline::model::Load;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

/// Counted from when a request was due. No limit of pipeline.yaml is longer.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(5);
const SENT_WITHIN: Duration = Duration::from_secs(1);
const MOST_IN_FLIGHT: usize = 256;
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The releases that are asked the same.
#[derive(Debug, Clone, Copy)]
pub struct Sides {
    pub candidate: ReleaseId,
    pub running: Option<ReleaseId>,
}

/// What came of a load check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    pub rps: u32,
    pub candidate: Figures,
    /// `None` where nothing ran.
    pub running: Option<Figures>,
}

/// Asks both sides by name, whatever the weights, each host directly.
pub async fn put(report: &Report, load: &Load, routers: &[SocketAddr], sides: Sides) -> Result<Loaded> {
    let schedule = Schedule::of(load);
    let bounds = Bounds {
        in_flight: MOST_IN_FLIGHT,
        sent_within: SENT_WITHIN,
        given_up_after: GIVEN_UP_AFTER,
    };
    let begin = Instant::now();
    let drive = |release, begin| -> Result<Drive> {
        let requests = drive::requests(load, routers, release)?;
        Ok(Drive {
            requests,
            schedule,
            begin,
            bounds,
        })
    };
    let (mut answered, mut errors, mut said) = (0, 0, begin);
    let progress = |sample: &Sample| {
        answered += 1;
        errors += u32::from(sample.error.is_some());
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let count = schedule.count;
            report.progress(format!("load check: {answered} of {count} requests, {errors} errors"));
        }
    };
    let candidate = drive(sides.candidate, begin)?;
    // Between the requests of the candidate, so that neither meets the other's in its way.
    let running = sides.running.map(|release| drive(release, begin + schedule.due(1) / 2));
    let running = running.transpose()?;
    let running = async {
        match &running {
            Some(running) => Some(running.samples(|_| ()).await),
            None => None,
        }
    };
    let (candidate, running) = tokio::join!(candidate.samples(progress), running);
    Ok(Loaded {
        rps: load.rps,
        candidate: Figures::of(&candidate),
        running: running.map(|samples| Figures::of(&samples)),
    })
}

/// Fails with the figures where they are not within the limits.
pub fn expect_within(environment: &EnvironmentName, limits: &Load, found: &Loaded) -> Result<()> {
    let excesses = excesses(limits, found);
    if excesses.is_empty() {
        return Ok(());
    }
    let failure = Failure::failed(format!("the load check of `{environment}` failed"));
    Err(excesses.into_iter().chain(found.lines()).fold(failure, Failure::why))
}

/// What is over its limit, each with what was expected and found. What the running release suffers as well is no excuse:
/// it would be no better once it serves.
fn excesses(limits: &Load, found: &Loaded) -> Vec<String> {
    let Loaded { candidate, running, .. } = found;
    let mut excesses = Vec::new();
    let allowed = u64::from(limits.max_error_rate.as_per_mille());
    if candidate.errors * 1000 > allowed * candidate.requests {
        excesses.push(format!(
            "expected at most {} errors, found {} in {} requests",
            limits.max_error_rate, candidate.errors, candidate.requests
        ));
    }
    let p99 = Duration::from_micros(candidate.p99_us);
    let found = latency(candidate.p99_us);
    if let Some(limit) = limits.p99.filter(|limit| p99 > *limit) {
        excesses.push(format!("expected a p99 of at most {}, found {found}", span(limit)));
    }
    if let (Some(slower_by), Some(running)) = (limits.slower_by, running)
        && p99 > Duration::from_micros(running.p99_us) + slower_by
    {
        excesses.push(format!(
            "expected a p99 at most {} over the running release's {}, found {found}",
            span(slower_by),
            latency(running.p99_us)
        ));
    }
    excesses
}

impl Loaded {
    /// `100 requests at 20/s: p99 12 ms, 0 errors (running release: 11 ms)`.
    pub fn summary(&self) -> String {
        let Figures {
            requests,
            errors,
            p99_us,
            ..
        } = &self.candidate;
        let running = self.running.as_ref();
        let running = running.map(|running| format!(" (running release: {})", latency(running.p99_us)));
        format!(
            "{requests} requests at {}/s: p99 {}, {errors} errors{}",
            self.rps,
            latency(*p99_us),
            running.unwrap_or_default()
        )
    }

    /// All figures of each side, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("candidate: {}", self.candidate)];
        lines.push(match &self.running {
            Some(running) => format!("running release: {running}"),
            None => "running release: none".to_owned(),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::Weight;
    use pipeline::model::Method;

    fn limits() -> Load {
        Load {
            rps: 20,
            duration: Duration::from_secs(10),
            method: Method::Get,
            paths: vec!["/".to_owned()],
            p99: Some(Duration::from_millis(300)),
            max_error_rate: Weight::per_mille(10).unwrap(),
            slower_by: None,
        }
    }

    fn figures(p99_ms: u64, errors: u64) -> Figures {
        Figures {
            requests: 200,
            errors,
            p50_us: 2_000,
            p99_us: p99_ms * 1000,
            longest_us: p99_ms * 1000,
            kinds: (errors > 0)
                .then(|| ("HTTP 500".to_owned(), errors))
                .into_iter()
                .collect(),
        }
    }

    fn found(candidate: Figures, running: Option<Figures>) -> Loaded {
        Loaded {
            rps: 20,
            candidate,
            running,
        }
    }

    #[test]
    fn what_is_at_its_limit_passes_and_what_is_over_it_is_named_with_both_numbers() {
        let at = |p99_ms, errors| excesses(&limits(), &found(figures(p99_ms, errors), None));
        assert_eq!(at(300, 2), Vec::<String>::new());
        assert_eq!(at(301, 2), ["expected a p99 of at most 300ms, found 301 ms"]);
        assert_eq!(at(300, 3), ["expected at most 1% errors, found 3 in 200 requests"]);
        assert_eq!(at(301, 3).len(), 2);
    }

    #[test]
    fn without_a_limit_on_latency_only_errors_count() {
        let limits = Load { p99: None, ..limits() };
        let running = Some(figures(1, 0));
        assert_eq!(
            excesses(&limits, &found(figures(4_999, 0), running)),
            Vec::<String>::new()
        );
    }

    #[test]
    fn the_running_release_is_a_limit_only_where_it_is_asked_to_be() {
        let slower = found(figures(100, 0), Some(figures(20, 0)));
        assert_eq!(excesses(&limits(), &slower), Vec::<String>::new());
        let by = |ms| Load {
            slower_by: Some(Duration::from_millis(ms)),
            ..limits()
        };
        assert_eq!(excesses(&by(80), &slower), Vec::<String>::new());
        let expected = "expected a p99 at most 79ms over the running release's 20 ms, found 100 ms";
        assert_eq!(excesses(&by(79), &slower), [expected]);
        let alone = found(figures(100, 0), None);
        assert_eq!(excesses(&by(79), &alone), Vec::<String>::new(), "nothing runs");
    }

    #[test]
    fn errors_of_the_running_release_do_not_excuse_those_of_the_candidate() {
        let both = found(figures(1, 200), Some(figures(1, 200)));
        assert_eq!(excesses(&limits(), &both).len(), 1);
    }

    #[test]
    fn a_failure_says_the_limits_and_all_figures() {
        let staging = EnvironmentName::parse("staging").unwrap();
        let both = found(figures(12, 50), Some(figures(11, 0)));
        let failure = expect_within(&staging, &limits(), &both).unwrap_err();
        assert_eq!(failure.what, "the load check of `staging` failed");
        assert_eq!(
            failure.why,
            [
                "expected at most 1% errors, found 50 in 200 requests",
                "candidate: p50 2.0 ms, p99 12 ms, longest 12 ms, 50 errors in 200 requests (50 × HTTP 500)",
                "running release: p50 2.0 ms, p99 11 ms, longest 11 ms, 0 errors in 200 requests",
            ]
        );
        let passed = found(figures(12, 0), Some(figures(11, 0)));
        let summary = "200 requests at 20/s: p99 12 ms, 0 errors (running release: 11 ms)";
        assert_eq!(passed.summary(), summary);
    }
}
