//! The status in Prometheus' text form.

use contract::{Latency, RouterStatus};
use std::fmt::Write;

pub fn render(status: &RouterStatus) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, kind: &str, help: &str, values: &mut dyn Iterator<Item = (String, u64)>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let versions = || status.versions.iter();
    let label = |version: &contract::VersionStatus| format!("{{release=\"{}\"}}", version.release);
    let one = |value: u64| std::iter::once((String::new(), value));

    gauge(
        "router_epoch",
        "gauge",
        "Rises with each start of the router.",
        &mut one(status.epoch),
    );
    gauge(
        "router_generation",
        "gauge",
        "The generation in force.",
        &mut one(status.generation.0),
    );
    gauge(
        "router_lease_lapsed",
        "gauge",
        "1 if a rollout's lease ran out here.",
        &mut one(status.lapsed.is_some().into()),
    );
    gauge(
        "router_weight_per_mille",
        "gauge",
        "Share of traffic.",
        &mut versions().map(|version| (label(version), version.weight.as_per_mille().into())),
    );
    gauge(
        "router_requests_in_flight",
        "gauge",
        "Requests begun and not wholly answered.",
        &mut versions().map(|version| (label(version), version.in_flight)),
    );
    gauge(
        "router_requests_total",
        "counter",
        "Requests answered, or never answered.",
        &mut versions().map(|version| (label(version), version.counts.requests)),
    );
    gauge(
        "router_errors_total",
        "counter",
        "Answers of 500 and above, and requests never answered.",
        &mut versions().map(|version| (label(version), version.counts.errors)),
    );
    gauge(
        "router_shielded_total",
        "counter",
        "Errors that no user saw, because the stable version answered.",
        &mut versions().map(|version| (label(version), version.shielded)),
    );
    gauge(
        "router_held",
        "gauge",
        "1 while users are made to wait or to come back.",
        &mut one(status.hold.is_some().into()),
    );
    render_latency(&mut text, status);
    text
}

/// Only buckets that hold something are named: cumulative counts lose nothing by that.
fn render_latency(text: &mut String, status: &RouterStatus) {
    let name = "router_answer_seconds";
    let _ = writeln!(
        text,
        "# HELP {name} From a request sent to its answer's head.\n# TYPE {name} histogram"
    );
    for version in &status.versions {
        let release = &version.release;
        let mut total = 0;
        for (bucket, count) in version
            .latency
            .buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            total += count;
            let upper = Latency::upper_us(bucket) as f64 / 1e6;
            let _ = writeln!(text, "{name}_bucket{{release=\"{release}\",le=\"{upper}\"}} {total}");
        }
        let _ = writeln!(text, "{name}_bucket{{release=\"{release}\",le=\"+Inf\"}} {total}");
        let _ = writeln!(text, "{name}_count{{release=\"{release}\"}} {total}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{Counts, Generation, ReleaseId, VersionStatus, Weight};

    #[test]
    fn a_status_reads_as_prometheus_expects_it() {
        let mut counts = vec![0; Latency::BUCKETS];
        counts[Latency::bucket(100)] = 3;
        counts[Latency::bucket(1_000)] = 1;
        let version = VersionStatus {
            release: ReleaseId::from_parts(1, 0),
            weight: Weight::ALL,
            in_flight: 2,
            counts: Counts { requests: 4, errors: 1 },
            latency: Latency::from_counts(counts),
            shielded: 0,
        };
        let status = RouterStatus {
            router_version: "0".into(),
            epoch: 9,
            generation: Generation(5),
            lapsed: None,
            hold: None,
            versions: vec![version],
            replicas: Vec::new(),
        };
        let text = render(&status);
        let release = "release=\"00000000010000000000000000\"";
        for line in [
            "router_epoch 9",
            "router_lease_lapsed 0",
            &format!("router_weight_per_mille{{{release}}} 1000"),
            &format!("router_errors_total{{{release}}} 1"),
            &format!("router_answer_seconds_bucket{{{release},le=\"0.000112\"}} 3"),
            &format!("router_answer_seconds_bucket{{{release},le=\"+Inf\"}} 4"),
        ] {
            assert!(text.lines().any(|found| found == line), "no line `{line}` in:\n{text}");
        }
    }
}
