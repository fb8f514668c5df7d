//! Questions over HTTP to what this tool itself started or released.

use std::time::Duration;

pub fn client(timeout: Duration) -> reqwest::Client {
    // Loopback is asked directly, whatever proxy the machine uses for the rest of the world.
    let builder = reqwest::Client::builder().timeout(timeout).no_proxy();
    builder.build().unwrap_or_default()
}
