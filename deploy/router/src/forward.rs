//! The path of one request: admitted, given a version, sent, answered.

use crate::body::{Download, Progress, Sent, Upload};
use crate::connection::{Client, InRequest};
use crate::control::Control;
use crate::counters::Attempt;
use crate::limits::{ATTEMPTS, REQUESTS_IN_FLIGHT, RETRY_PAUSE, SILENCE_TIMEOUT};
use crate::pool::{Answered, Pool, SendError};
use crate::refusal::Refusal;
use crate::split::{self, Sticky};
use crate::upgrade::Wish;
use crate::{cookie, headers, upgrade};
use contract::{Backend, ReleaseId};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug)]
pub struct Proxy {
    pub control: Arc<Control>,
    pub draining: CancellationToken,
    /// Everything a drain waits for.
    pub tasks: TaskTracker,
    pub in_flight: Arc<AtomicUsize>,
}

/// What a request says about the version it wants.
#[derive(Debug)]
struct Preference {
    wanted: Option<ReleaseId>,
    sticky: Option<Sticky>,
    drawn: u16,
}

/// A version chosen for a request, which counts as in flight there from now on.
#[derive(Debug)]
struct Pick {
    attempt: Attempt,
    pool: Arc<Pool>,
    /// All other choices have been tried, and this one too.
    is_again: bool,
    new_cookie: Option<Sticky>,
}

#[derive(Debug)]
struct Answer {
    response: Response<Incoming>,
    sent: Sent,
    new_cookie: Option<Sticky>,
}

impl Proxy {
    pub async fn answer(&self, client: &Client, request: Request<Incoming>) -> Response<Download> {
        let flaw = client.watch.begin_request();
        let (in_request, in_flight) = InRequest::begin(&client.watch, &self.in_flight);
        let refused = match flaw {
            Some(flaw) => Some(Refusal::Malformed(flaw)),
            None => (in_flight > REQUESTS_IN_FLIGHT).then_some(Refusal::TooMany),
        };
        let mut response = match refused {
            Some(refusal) => refuse(refusal, client, in_request),
            None => self.forward(client, request, in_request).await,
        };
        if self.draining.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn forward(
        &self,
        client: &Client,
        mut request: Request<Incoming>,
        in_request: InRequest,
    ) -> Response<Download> {
        let wish = Wish::of(&mut request);
        let (mut parts, body) = request.into_parts();
        if let Err(flaw) = headers::to_backend(&mut parts, client.peer) {
            return refuse(Refusal::Malformed(flaw), client, in_request);
        }
        if let Some(wish) = &wish {
            upgrade::name_protocol(&mut parts.headers, Some(wish.protocol.clone()));
        }
        let preference = Preference {
            wanted: headers::wanted_release(&parts.headers),
            sticky: cookie::read(&parts.headers),
            drawn: rand::random_range(0..split::BUCKETS),
        };
        let request_id = parts.headers[headers::REQUEST_ID].clone();
        let (upload, progress) = Upload::new(body);
        match self
            .send(Request::from_parts(parts, upload), progress, &preference)
            .await
        {
            Err(refusal) => refuse(refusal, client, in_request),
            Ok(answer) => {
                let switches = answer.response.status() == StatusCode::SWITCHING_PROTOCOLS;
                match wish.filter(|_| switches) {
                    // Nobody asked for it.
                    None if switches => refuse(Refusal::BrokenOff, client, in_request),
                    tunnel => {
                        tunnel.iter().for_each(|_| client.watch.begin_tunnel());
                        self.pass_on(answer, tunnel, request_id, in_request)
                    }
                }
            }
        }
    }

    /// Sends a request until it has been written somewhere, and then never again.
    async fn send(
        &self,
        mut request: Request<Upload>,
        progress: Arc<Progress>,
        preference: &Preference,
    ) -> Result<Answer, Refusal> {
        let mut tried: Vec<SocketAddr> = Vec::new();
        for _ in 0..ATTEMPTS {
            let Pick {
                mut attempt,
                pool,
                is_again,
                new_cookie,
            } = self.pick(preference, &tried)?;
            if is_again {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            match answer_within(&progress, pool.send(request)).await {
                Some(Ok(Answered { response, lease })) => {
                    attempt.answered(response.status());
                    return Ok(Answer {
                        response,
                        sent: Sent {
                            attempt,
                            progress,
                            lease,
                        },
                        new_cookie,
                    });
                }
                Some(Err(SendError::NotSent { request: unsent, why })) => {
                    tracing::debug!(backend = %pool.address, %why, "a request could not be sent");
                    // One request counts once against one version.
                    if is_again {
                        attempt.void()
                    } else {
                        attempt.broke()
                    }
                    tried.push(pool.address);
                    request = *unsent;
                }
                Some(Err(SendError::Broken(_))) if progress.client_failed() => {
                    attempt.void();
                    return Err(Refusal::Malformed("a body that broke off"));
                }
                Some(Err(SendError::Broken(why))) => {
                    tracing::debug!(backend = %pool.address, %why, "no answer came");
                    attempt.broke();
                    return Err(Refusal::BrokenOff);
                }
                None if progress.awaits_client() => {
                    attempt.void();
                    return Err(Refusal::ClientSilent);
                }
                None => {
                    attempt.broke();
                    return Err(Refusal::BackendSilent);
                }
            }
        }
        Err(Refusal::Unreachable)
    }

    fn pick(&self, preference: &Preference, tried: &[SocketAddr]) -> Result<Pick, Refusal> {
        loop {
            let routes = self.control.routes.load_full();
            let Choice { order, new_cookie } = preference.choose(&routes.backends)?;
            let untried = order
                .iter()
                .copied()
                .find(|index| !tried.contains(&routes.backends[*index].address));
            let target = &routes.targets[untried.unwrap_or(order[0])];
            let mut attempt = Attempt::begin(target.counters.clone());
            // Counted now; was the table replaced in the meantime, by one that may not name this version any more?
            // Tables come seldom, so this does not go round more than once or twice.
            if Arc::ptr_eq(&routes, &self.control.routes.load()) {
                return Ok(Pick {
                    attempt,
                    pool: target.pool.clone(),
                    is_again: untried.is_none(),
                    new_cookie,
                });
            }
            attempt.void();
        }
    }

    fn pass_on(
        &self,
        answer: Answer,
        tunnel: Option<Wish>,
        request_id: HeaderValue,
        in_request: InRequest,
    ) -> Response<Download> {
        let Answer {
            mut response,
            sent,
            new_cookie,
        } = answer;
        let protocol = response.headers().get(header::UPGRADE).cloned();
        headers::to_client(response.headers_mut(), request_id);
        if let Some(cookie) = new_cookie.and_then(cookie::write) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        if let Some(wish) = tunnel {
            upgrade::name_protocol(response.headers_mut(), protocol);
            let backend = hyper::upgrade::on(&mut response);
            self.tasks.spawn(wish.join(backend, sent.attempt));
            return response.map(|_| Download::own("", in_request));
        }
        response.map(|incoming| Download::passing(sent, incoming, in_request))
    }
}

#[derive(Debug)]
struct Choice {
    /// Never empty.
    order: Vec<usize>,
    new_cookie: Option<Sticky>,
}

impl Preference {
    fn choose(&self, backends: &[Backend]) -> Result<Choice, Refusal> {
        if let Some(wanted) = self.wanted {
            // A tester is not served by another release than the one asked for: that would prove nothing.
            let is_it = |backend: &Backend| backend.release == wanted && backend.ready;
            let index = backends.iter().position(is_it).ok_or(Refusal::NoSuchRelease(wanted))?;
            return Ok(Choice {
                order: vec![index],
                new_cookie: None,
            });
        }
        let bucket = split::bucket(backends, self.sticky, self.drawn);
        let assigned = split::assigned(backends, bucket).ok_or(Refusal::NoBackend)?;
        let sticky = Some(Sticky {
            release: backends[assigned].release,
            bucket,
        });
        let is_new = split::is_split(backends) && sticky != self.sticky;
        Ok(Choice {
            order: split::order(backends, assigned),
            new_cookie: sticky.filter(|_| is_new),
        })
    }
}

fn refuse(refusal: Refusal, client: &Client, in_request: InRequest) -> Response<Download> {
    tracing::debug!(peer = %client.peer, ?refusal, "answered by the router itself");
    refusal.into_response(in_request)
}

/// `None` when neither end has sent a byte for too long.
async fn answer_within<T>(progress: &Progress, answer: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(answer);
    let mut deadline = tokio::time::Instant::now() + SILENCE_TIMEOUT;
    loop {
        match tokio::time::timeout_at(deadline, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) => {
                let later = tokio::time::Instant::from_std(progress.last_byte()) + SILENCE_TIMEOUT;
                if later <= deadline {
                    return None;
                }
                deadline = later;
            }
        }
    }
}
