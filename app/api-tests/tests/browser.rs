//! The pages that the API serves, used in a real browser: headless Chromium, told what to do by its own `chromedriver`.
//! Both must be on the PATH, and the API at `BASE_URL`; with `SCREENSHOTS`, a folder, what was seen last is kept there.

#[allow(dead_code, reason = "shared with the black-box tests")]
#[path = "api/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the black-box tests")]
#[path = "api/files.rs"]
mod files;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/swagger.rs"]
mod swagger;
