//! Counters in the Prometheus text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Upper bounds of the latency buckets in seconds; one more bucket takes the rest.
const BUCKETS_SECS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// Requests that take more queries than this are counted as one kind.
const MOST_QUERIES: u64 = 32;

/// One series for each route as declared (never the path as asked), so that their number is bounded.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Series>);

#[derive(Debug, Default)]
struct Series {
    requests: BTreeMap<(String, String, u16), u64>,
    latency: BTreeMap<String, Histogram>,
    jobs: BTreeMap<(&'static str, &'static str), u64>,
    queries: BTreeMap<(String, String, u64), u64>,
    jobs_there: BTreeMap<(&'static str, &'static str), i64>,
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BUCKETS_SECS.len()],
    count: u64,
    sum_secs: f64,
}

/// What is measured when asked for rather than counted.
#[derive(Debug, Clone, Copy)]
pub struct Gauges {
    pub pool_max: u32,
    pub pool_open: u32,
    pub pool_idle: u32,
    pub live_connections: usize,
    pub draining: bool,
}

impl Metrics {
    pub fn record(&self, method: &str, route: &str, status: u16, took: Duration) {
        // A panic while counting leaves at worst one count short.
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *series
            .requests
            .entry((method.to_owned(), route.to_owned(), status))
            .or_default() += 1;
        series
            .latency
            .entry(route.to_owned())
            .or_default()
            .record(took.as_secs_f64());
    }

    /// How many queries one request took.
    pub fn record_queries(&self, method: &str, route: &str, queries: u64) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (method.to_owned(), route.to_owned(), queries.min(MOST_QUERIES));
        *series.queries.entry(kind).or_default() += 1;
    }

    pub fn count_job(&self, kind: &'static str, outcome: &'static str) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *series.jobs.entry((kind, outcome)).or_default() += 1;
    }

    pub fn set_jobs(&self, kind: &'static str, waiting: i64, given_up: i64) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.jobs_there.insert((kind, "waiting"), waiting);
        series.jobs_there.insert((kind, "given_up"), given_up);
    }

    pub fn render(&self, gauges: Gauges) -> String {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        // Writing to a string cannot fail.
        series.write(&mut text).ok();
        gauges.write(&mut text).ok();
        text
    }
}

impl Histogram {
    fn record(&mut self, secs: f64) {
        // Each bucket counts what is at most its bound, as the format has it.
        for (bucket, _) in self
            .buckets
            .iter_mut()
            .zip(BUCKETS_SECS)
            .filter(|(_, bound)| secs <= *bound)
        {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_secs += secs;
    }
}

impl Series {
    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(
            text,
            "# HELP http_requests_total Requests answered.\n# TYPE http_requests_total counter"
        )?;
        for ((method, route, status), count) in &self.requests {
            writeln!(
                text,
                "http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}} {count}"
            )?;
        }
        let name = "http_request_duration_seconds";
        writeln!(
            text,
            "# HELP {name} Time from request to answer.\n# TYPE {name} histogram"
        )?;
        for (route, histogram) in &self.latency {
            for (bound, count) in BUCKETS_SECS.iter().zip(histogram.buckets) {
                writeln!(text, "{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {count}")?;
            }
            writeln!(
                text,
                "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {}",
                histogram.count
            )?;
            writeln!(text, "{name}_sum{{route=\"{route}\"}} {}", histogram.sum_secs)?;
            writeln!(text, "{name}_count{{route=\"{route}\"}} {}", histogram.count)?;
        }
        let name = "http_requests_by_queries_total";
        writeln!(
            text,
            "# HELP {name} Requests answered, by how many database queries each took.\n# TYPE {name} counter"
        )?;
        for ((method, route, queries), count) in &self.queries {
            writeln!(
                text,
                "{name}{{method=\"{method}\",route=\"{route}\",queries=\"{queries}\"}} {count}"
            )?;
        }
        writeln!(
            text,
            "# HELP jobs_total Attempts at background jobs.\n# TYPE jobs_total counter"
        )?;
        for ((kind, outcome), count) in &self.jobs {
            writeln!(text, "jobs_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} {count}")?;
        }
        writeln!(
            text,
            "# HELP jobs Background jobs in the database, which all processes share.\n# TYPE jobs gauge"
        )?;
        for ((kind, state), count) in &self.jobs_there {
            writeln!(text, "jobs{{kind=\"{kind}\",state=\"{state}\"}} {count}")?;
        }
        Ok(())
    }
}

impl Gauges {
    fn write(self, text: &mut String) -> std::fmt::Result {
        let name = "db_pool_connections";
        writeln!(
            text,
            "# HELP {name} Open connections to the database.\n# TYPE {name} gauge"
        )?;
        writeln!(text, "{name}{{state=\"idle\"}} {}", self.pool_idle)?;
        writeln!(
            text,
            "{name}{{state=\"used\"}} {}",
            self.pool_open.saturating_sub(self.pool_idle)
        )?;
        writeln!(
            text,
            "# HELP {name}_max Most connections allowed.\n# TYPE {name}_max gauge"
        )?;
        writeln!(text, "{name}_max {}", self.pool_max)?;
        writeln!(
            text,
            "# HELP live_connections Open WebSocket connections.\n# TYPE live_connections gauge"
        )?;
        writeln!(text, "live_connections {}", self.live_connections)?;
        writeln!(
            text,
            "# HELP draining Whether the process is about to stop.\n# TYPE draining gauge"
        )?;
        writeln!(text, "draining {}", u8::from(self.draining))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_route_and_status_and_timed_in_rising_buckets() {
        let metrics = Metrics::default();
        metrics.record("GET", "/api/posts", 200, Duration::from_millis(3));
        metrics.record("GET", "/api/posts", 200, Duration::from_secs(60));
        metrics.count_job("mail", "done");
        metrics.record_queries("GET", "/api/posts", 2);
        metrics.record_queries("GET", "/api/posts", 2);
        metrics.record_queries("GET", "/api/posts", u64::MAX);
        metrics.set_jobs("mail", 3, 1);
        let text = metrics.render(Gauges {
            pool_max: 10,
            pool_open: 3,
            pool_idle: 1,
            live_connections: 7,
            draining: false,
        });
        for line in [
            "http_requests_total{method=\"GET\",route=\"/api/posts\",status=\"200\"} 2",
            "http_request_duration_seconds_bucket{route=\"/api/posts\",le=\"0.0025\"} 0",
            "http_request_duration_seconds_bucket{route=\"/api/posts\",le=\"0.005\"} 1",
            "http_request_duration_seconds_bucket{route=\"/api/posts\",le=\"5\"} 1",
            "http_request_duration_seconds_bucket{route=\"/api/posts\",le=\"+Inf\"} 2",
            "http_request_duration_seconds_count{route=\"/api/posts\"} 2",
            "jobs_total{kind=\"mail\",outcome=\"done\"} 1",
            "http_requests_by_queries_total{method=\"GET\",route=\"/api/posts\",queries=\"2\"} 2",
            "http_requests_by_queries_total{method=\"GET\",route=\"/api/posts\",queries=\"32\"} 1",
            "jobs{kind=\"mail\",state=\"waiting\"} 3",
            "jobs{kind=\"mail\",state=\"given_up\"} 1",
            "db_pool_connections{state=\"used\"} 2",
            "db_pool_connections_max 10",
            "live_connections 7",
        ] {
            assert!(text.lines().any(|found| found == line), "`{line}` is not in:\n{text}");
        }
    }
}
