//! The client, and the one way each of its requests is made.

use super::auth::{Access, Auth};
use super::transport::{Transport, expect};
use super::{CredentialSource, Problem, RegistryError, Repository, Result, Retry};
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Clone, Default)]
pub struct ClientOptions {
    pub credentials: CredentialSource,
    /// Certificate authorities (PEM) to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    pub timeouts: Timeouts,
    pub retry: Retry,
}

#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub connect: Duration,
    /// For an answer without a body to speak of.
    pub answer: Duration,
    /// What a transfer may add to that: as long as its bytes take at this speed.
    pub min_bytes_per_second: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            min_bytes_per_second: 64 * 1024,
        }
    }
}

/// Speaks to any number of registries; cheap to share by reference, and to keep for a whole run.
///
/// The program installs rustls' crypto provider at its start; without one no client can be made.
pub struct Client {
    pub(super) retry: Retry,
    transport: Transport,
    auth: Auth,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// What a request is for: whom it concerns, what it needs, and how an error names it (after "cannot").
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) repository: &'a Repository,
    pub(super) access: Access,
    pub(super) doing: &'a str,
}

impl Call<'_> {
    pub(super) fn failed(&self, problem: Problem) -> RegistryError {
        RegistryError::new(self.repository, self.doing, problem)
    }

    /// The address of `tail` in this repository.
    pub(super) fn url(&self, tail: &str) -> Result<Url> {
        let malformed = |_| {
            self.failed(Problem::Local {
                why: format!("`{}` makes no URL", self.repository),
            })
        };
        Url::parse(&self.repository.url(tail)).map_err(malformed)
    }
}

impl Client {
    pub fn new(options: ClientOptions) -> std::result::Result<Self, Problem> {
        let transport = Transport::new(&options)?;
        Ok(Self {
            retry: options.retry,
            transport,
            auth: Auth::new(options.credentials),
        })
    }

    /// One request, made a second time with fresh credentials if the registry wants them. `prepare` adds headers and body;
    /// `body_bytes` is how much either way may carry.
    pub(super) async fn send(
        &self,
        call: &Call<'_>,
        (method, url, body_bytes): (Method, &Url, u64),
        prepare: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        // Uploads and downloads may be sent on to other hosts, which our credentials are not for.
        let ours = call.url("")?.origin() == url.origin();
        let mut credentials = self.auth.known(call.repository, call.access).filter(|_| ours);
        let mut asked_again = false;
        loop {
            let request = self.transport.request(method.clone(), url, body_bytes);
            let request = prepare(request.map_err(|problem| call.failed(problem))?);
            let request = match &credentials {
                Some(header) => request.header(AUTHORIZATION, header),
                None => request,
            };
            let response = request
                .send()
                .await
                .map_err(|error| call.failed(Problem::transport(error)))?;
            if response.status() != StatusCode::UNAUTHORIZED || asked_again || !ours {
                return Ok(response);
            }
            asked_again = true;
            match self
                .auth
                .answer(&self.transport, (call.repository, call.access), response.headers())
                .await?
            {
                Some(header) => credentials = Some(header),
                None => return Ok(response),
            }
        }
    }

    /// As [`Client::send`], without a body; any other status than these is an error.
    pub(super) async fn ask(
        &self,
        call: &Call<'_>,
        method: Method,
        url: &Url,
        statuses: &[StatusCode],
    ) -> Result<Response> {
        let response = self.send(call, (method, url, 0), |request| request).await?;
        expect(response, statuses).await.map_err(|problem| call.failed(problem))
    }
}
