//! Questions over HTTP to what this tool itself started or released.

use std::time::Duration;

pub fn client(timeout: Duration) -> reqwest::Client {
    // Loopback is asked directly, whatever proxy the machine uses for the rest of the world.
    let builder = || reqwest::Client::builder().timeout(timeout).no_proxy();
    // And also where no certificates can be found, since it is asked without TLS.
    let client = builder().build().or_else(|_| builder().tls_certs_only([]).build());
    client.unwrap_or_default()
}

/// One that takes the first answer for what it is: it neither asks again nor goes where it is sent. Whoever uses it bounds
/// the time an answer may take.
pub fn client_that_asks_once() -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .redirect(reqwest::redirect::Policy::none())
        // Given up before the other end does so in the moment it is used again.
        .pool_idle_timeout(Duration::from_secs(30));
    builder.build().unwrap_or_default()
}
