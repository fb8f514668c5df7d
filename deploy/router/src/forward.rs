//! The path of one request: admitted, given a version, sent, answered.

use crate::access_log::Asked;
use crate::body::{Download, Progress, Sent, Upload};
use crate::connection::{Begun, Client, InRequest};
use crate::counters::Attempt;
use crate::limits::{ATTEMPTS, REQUESTS_IN_FLIGHT, RETRY_PAUSE, SILENCE_TIMEOUT};
use crate::pool::{Answered, Pool, SendError};
use crate::refusal::Refusal;
use crate::sites::{Site, Sites};
use crate::split::{self, Sticky};
use crate::upgrade::Wish;
use crate::{cookie, headers, shield, upgrade};
use contract::{Backend, ReleaseId, Role};
use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug)]
pub struct Proxy {
    pub sites: Sites,
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
    release: ReleaseId,
    /// All other choices have been tried, and this one too.
    is_again: bool,
    /// A failure may be made good by the stable version.
    is_shielded: bool,
    new_cookie: Option<Sticky>,
}

#[derive(Debug)]
struct Answer {
    response: Response<Incoming>,
    release: ReleaseId,
    sent: Sent,
    new_cookie: Option<Sticky>,
}

/// What came of sending a request once.
enum Tried {
    Answered(Box<Answer>),
    /// It was not sent: it may go to any other place.
    Unsent(Box<Request<Upload>>),
    /// It failed there, and the user need not know: it may go to another version.
    Shielded(Box<Request<Upload>>),
    Refused(Refusal),
}

impl Proxy {
    pub async fn answer(&self, client: &Client, request: Request<Incoming>) -> Response<Download> {
        let Begun {
            in_request,
            flaw,
            in_flight,
        } = InRequest::begin(&client.watch, &self.in_flight);
        let version = request.version();
        let site = self.sites.find(&request);
        let log = site.and_then(|site| site.log.clone());
        let asked = log.as_ref().map(|_| Asked::of(client, &request));
        let mut response = match (flaw, site) {
            (Some(flaw), _) => refuse(Refusal::Malformed(flaw), client, in_request),
            (None, _) if in_flight > REQUESTS_IN_FLIGHT => refuse(Refusal::TooMany, client, in_request),
            (None, None) => refuse(Refusal::NoSite, client, in_request),
            (None, Some(site)) => self.forward(site, client, request, in_request).await,
        };
        if version == Version::HTTP_2 {
            // There, a connection is no request's business.
            response.headers_mut().remove(header::CONNECTION);
        } else if self.draining.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if let (Some(log), Some(asked)) = (log, asked)
            && let Some(mut entry) = log.entry(asked, response.status())
        {
            entry.request_id = response.headers().get(headers::REQUEST_ID).cloned();
            response.body_mut().note_in(entry);
        }
        response
    }

    async fn forward(
        &self,
        site: &Site,
        client: &Client,
        mut request: Request<Incoming>,
        in_request: InRequest,
    ) -> Response<Download> {
        let wish = Wish::of(&mut request);
        let (mut parts, body) = request.into_parts();
        if let Err(flaw) = headers::to_backend(&mut parts, &client.origin) {
            return refuse(Refusal::Malformed(flaw), client, in_request);
        }
        if body.size_hint().lower() > site.max_body_bytes {
            return refuse(Refusal::TooLarge, client, in_request);
        }
        if let Some(wish) = &wish {
            upgrade::name_protocol(&mut parts.headers, Some(wish.protocol.clone()));
        }
        let preference = Preference {
            wanted: headers::wanted_release(&parts.headers),
            sticky: cookie::read(&parts.headers),
            drawn: rand::random_range(0..split::BUCKETS),
        };
        if preference.wanted.is_none()
            && let Err(refusal) = site.control.pass_hold().await
        {
            return refuse(refusal, client, in_request);
        }
        let request_id = parts.headers[headers::REQUEST_ID].clone();
        let (upload, progress) = Upload::new(body, site.max_body_bytes);
        match send(site, Request::from_parts(parts, upload), progress, &preference).await {
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

    fn pass_on(
        &self,
        answer: Answer,
        tunnel: Option<Wish>,
        request_id: HeaderValue,
        in_request: InRequest,
    ) -> Response<Download> {
        let Answer {
            mut response,
            release,
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
        response.map(|incoming| Download::passing(release, sent, incoming, in_request))
    }
}

/// Sends a request until it has been written somewhere, and then never again, unless the shield allows it once.
async fn send(
    site: &Site,
    mut request: Request<Upload>,
    progress: Arc<Progress>,
    preference: &Preference,
) -> Result<Answer, Refusal> {
    let mut spent = Spent::default();
    for _ in 0..ATTEMPTS {
        let pick = pick(site, preference, &spent)?;
        let release = pick.release;
        spent.addresses.push(pick.pool.address);
        if pick.is_again {
            tokio::time::sleep(RETRY_PAUSE).await;
        }
        match attempt(site, pick, request, &progress).await {
            Tried::Answered(answer) => return Ok(*answer),
            Tried::Unsent(unsent) => request = *unsent,
            Tried::Shielded(again) => {
                spent.release = Some(release);
                request = *again;
            }
            Tried::Refused(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::Unreachable)
}

async fn attempt(site: &Site, pick: Pick, request: Request<Upload>, progress: &Arc<Progress>) -> Tried {
    let Pick {
        mut attempt,
        pool,
        release,
        is_again,
        is_shielded,
        new_cookie,
    } = pick;
    let mut spare = match is_shielded {
        true => shield::spare(&request, progress),
        false => None,
    };
    let mut shield = || spare.take().filter(|_| site.shield.spend());
    let (refusal, why) = match answer_within(progress, pool.send(request)).await {
        Some(Ok(Answered { response, lease })) => {
            attempt.answered(response.status());
            if response.status().is_server_error()
                && let Some(again) = shield()
            {
                attempt.shielded();
                return Tried::Shielded(Box::new(again));
            }
            let progress = progress.clone();
            return Tried::Answered(Box::new(Answer {
                response,
                release,
                sent: Sent {
                    attempt,
                    progress,
                    lease,
                },
                new_cookie,
            }));
        }
        Some(Err(SendError::NotSent { request, why })) => {
            tracing::debug!(backend = %pool.address, %why, "a request could not be sent");
            // One request counts once against one version.
            if is_again {
                attempt.void()
            } else {
                attempt.broke()
            }
            return Tried::Unsent(request);
        }
        Some(Err(SendError::Broken(_))) if progress.is_too_large() => {
            attempt.void();
            return Tried::Refused(Refusal::TooLarge);
        }
        Some(Err(SendError::Broken(_))) if progress.client_failed() => {
            attempt.void();
            return Tried::Refused(Refusal::Malformed("a body that broke off"));
        }
        None if progress.awaits_client() => {
            attempt.void();
            return Tried::Refused(Refusal::ClientSilent);
        }
        Some(Err(SendError::Broken(why))) => (Refusal::BrokenOff, why.to_string()),
        None => (Refusal::BackendSilent, "silence".to_owned()),
    };
    tracing::debug!(backend = %pool.address, why, "no answer came");
    attempt.broke();
    match shield() {
        Some(again) => {
            attempt.shielded();
            Tried::Shielded(Box::new(again))
        }
        None => Tried::Refused(refusal),
    }
}

fn pick(site: &Site, preference: &Preference, spent: &Spent) -> Result<Pick, Refusal> {
    loop {
        let routes = site.control.routes.load_full();
        let Choice { mut order, new_cookie } = preference.choose(&routes.backends)?;
        if order.len() > 1 {
            order.retain(|index| spent.release != Some(routes.backends[*index].release));
        }
        let replica = |index: usize, tried: &[SocketAddr]| {
            let (backend, target) = (&routes.backends[index], &routes.targets[index]);
            let in_flight = |replica: usize| target.pools[replica].in_flight();
            let is_tried = |address| tried.contains(&address);
            let found = split::replica(&backend.replicas, in_flight, is_tried, preference.drawn);
            found.map(|replica| (backend, target, &target.pools[replica]))
        };
        let untried = order.iter().find_map(|index| replica(*index, &spent.addresses));
        let again = || order.first().and_then(|index| replica(*index, &[]));
        let is_again = untried.is_none();
        let (backend, target, pool) = untried.or_else(again).ok_or(Refusal::NoBackend)?;
        let is_shielded = routes.shield && backend.role == Role::Candidate && preference.wanted.is_none();
        if routes.shield {
            site.shield.earn();
        }
        let mut attempt = Attempt::begin(target.counters.clone(), pool);
        // Counted now; was the table replaced in the meantime, by one that may not name this version any more?
        // Tables come seldom, so this does not go round more than once or twice.
        if Arc::ptr_eq(&routes, &site.control.routes.load()) {
            return Ok(Pick {
                attempt,
                pool: pool.clone(),
                release: backend.release,
                is_again,
                is_shielded,
                new_cookie,
            });
        }
        attempt.void();
    }
}

/// Where a request has been, and need not be sent again.
#[derive(Debug, Default)]
struct Spent {
    addresses: Vec<SocketAddr>,
    /// The version that failed it.
    release: Option<ReleaseId>,
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
            let is_it = |backend: &Backend| backend.release == wanted && backend.is_ready();
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
    tracing::debug!(peer = %client.origin.peer, ?refusal, "answered by the router itself");
    refusal.into_response(in_request)
}

/// `None` when neither end has sent a byte for too long, or the client sends them too slowly.
async fn answer_within<T>(progress: &Progress, answer: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(answer);
    let mut deadline = tokio::time::Instant::now() + SILENCE_TIMEOUT;
    loop {
        match tokio::time::timeout_at(deadline, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) => {
                let later = tokio::time::Instant::from_std(progress.last_byte()) + SILENCE_TIMEOUT;
                if later <= deadline || progress.trickles() {
                    return None;
                }
                deadline = later;
            }
        }
    }
}
