//! Pulling by tag, without ever hanging on a registry that does not answer.

use bollard::query_parameters::CreateImageOptionsBuilder;
use docker::Docker;
use futures_util::StreamExt;
use std::time::{Duration, Instant};

/// A registry that has not said a word by then is taken for unreachable.
const FIRST_WORD: Duration = Duration::from_secs(5);
/// Once layers arrive, a slow line may take its time, but not stand still.
const STALL: Duration = Duration::from_secs(60);
const WHOLE: Duration = Duration::from_secs(15 * 60);
const REPORT_INTERVAL: Duration = Duration::from_secs(3);

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PullFailure {
    /// The registry answered: it has none of this name, or not for us. Something else in its place would hide a mistake.
    NoSuchImage(String),
    /// The registry could not be asked, or did not deliver.
    NotReached(String),
}

pub(crate) async fn pull(docker: &Docker, image: &str, progress: &mut dyn FnMut(&str)) -> Result<(), PullFailure> {
    let (name, tag) = split_tag(image);
    let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
    let mut steps = docker.api().create_image(Some(options), None, None);
    let began = Instant::now();
    let mut reported = began;
    let mut patience = FIRST_WORD;
    loop {
        let patience_left = patience.min(WHOLE.saturating_sub(began.elapsed()));
        let step = match tokio::time::timeout(patience_left, steps.next()).await {
            Ok(Some(Ok(step))) => step,
            Ok(Some(Err(error))) => return Err(classify(reason(error))),
            Ok(None) => return Ok(()),
            Err(_late) if patience == FIRST_WORD => {
                return Err(PullFailure::NotReached(format!(
                    "no answer within {} s",
                    FIRST_WORD.as_secs()
                )));
            }
            Err(_late) => {
                let spent = began.elapsed().as_secs();
                return Err(PullFailure::NotReached(format!(
                    "it stood still; given up after {spent} s"
                )));
            }
        };
        patience = STALL;
        if reported.elapsed() >= REPORT_INTERVAL {
            reported = Instant::now();
            let done = step
                .progress_detail
                .and_then(|detail| Some((detail.current?, detail.total?)));
            let megabytes = done.map(|(current, total)| format!(", {} of {} MB", current >> 20, total >> 20));
            let status = step.status.unwrap_or_default().to_lowercase();
            progress(&format!("pulling `{image}`: {status}{}", megabytes.unwrap_or_default()));
        }
    }
}

/// Name and tag; a digest counts as a tag, as the engine wants it.
fn split_tag(image: &str) -> (&str, &str) {
    if let Some(pinned) = image.split_once('@') {
        return pinned;
    }
    match image.rsplit_once(':') {
        // A colon before a slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

fn reason(error: bollard::errors::Error) -> String {
    use bollard::errors::Error;
    match error {
        Error::DockerResponseServerError { message, .. } => message,
        Error::DockerStreamError { error } => error,
        other => other.to_string(),
    }
}

fn classify(why: String) -> PullFailure {
    let answers = [
        "manifest unknown",
        "not found: manifest",
        "name unknown",
        "repository does not exist",
        "denied",
    ];
    // A proxy that lets nobody out also answers `denied`, but not as a registry does.
    let registry_said_so = answers.iter().any(|answer| why.contains(answer)) && !why.contains("proxyconnect");
    if registry_said_so {
        PullFailure::NoSuchImage(why)
    } else {
        PullFailure::NotReached(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_a_tag() {
        assert_eq!(split_tag("mysql:8.4"), ("mysql", "8.4"));
        assert_eq!(split_tag("mysql"), ("mysql", "latest"));
        assert_eq!(split_tag("127.0.0.1:5000/mysql"), ("127.0.0.1:5000/mysql", "latest"));
        assert_eq!(split_tag("127.0.0.1:5000/mysql:9"), ("127.0.0.1:5000/mysql", "9"));
        assert_eq!(split_tag("mysql@sha256:00"), ("mysql", "sha256:00"));
    }

    #[test]
    fn a_registry_that_says_no_is_told_from_one_that_says_nothing() {
        let no = "manifest for mysql:0.0 not found: manifest unknown: manifest unknown";
        assert_eq!(classify(no.to_owned()), PullFailure::NoSuchImage(no.to_owned()));
        for silent in [
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host",
            "toomanyrequests: You have reached your pull rate limit.",
            "net/http: TLS handshake timeout",
        ] {
            assert_eq!(classify(silent.to_owned()), PullFailure::NotReached(silent.to_owned()));
        }
    }
}
