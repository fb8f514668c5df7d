//! A browser with one page, over the WebDriver protocol.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

pub struct Page {
    driver: Child,
    http: reqwest::Client,
    /// Of the driver, with the session.
    address: String,
}

impl Page {
    pub async fn open(path: &str) -> Page {
        let base_url = std::env::var("BASE_URL").expect("BASE_URL says where the API is");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .spawn()
            .expect("chromedriver is started: on Debian it is in the package chromium-driver");
        // Fails only when another test has installed it already.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build();
        let mut page = Page {
            driver,
            http: http.expect("a client"),
            address: format!("http://127.0.0.1:{port}"),
        };
        page.begin().await;
        page.tell("url", &json!({ "url": format!("{base_url}{path}") })).await;
        page
    }

    async fn begin(&mut self) {
        let capabilities = json!({
            "goog:chromeOptions": { "args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server", "--window-size=1280,1600",
            ] },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let status = format!("{}/status", self.address);
        let deadline = Instant::now() + DEADLINE;
        while self.http.get(&status).send().await.is_err() {
            assert!(Instant::now() < deadline, "chromedriver does not listen");
            tokio::time::sleep(PAUSE).await;
        }
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let session = self.tell("session", &wanted).await;
        let id = session["sessionId"].as_str().expect("a session");
        self.address = format!("{}/session/{id}", self.address);
    }

    async fn tell(&self, command: &str, body: &Value) -> Value {
        let request = self.http.post(format!("{}/{command}", self.address)).json(body);
        let answer = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("{command}: {error:?}"));
        let answer: Value = answer.json().await.expect("JSON");
        assert!(
            answer["value"]["error"].is_null(),
            "{command} {body}: {}",
            answer["value"]
        );
        answer["value"].clone()
    }

    /// What JavaScript makes of this expression.
    pub async fn value(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return ({expression})"), "args": [] });
        self.tell("execute/sync", &script).await
    }

    /// Waits for an element, and clicks it as a person would.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("{element}/click"), &json!({})).await;
    }

    pub async fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("{element}/value"), &json!({ "text": text })).await;
    }

    async fn element(&self, selector: &str) -> String {
        self.wait_for(&format!("document.querySelector({selector:?}) !== null"))
            .await;
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.tell("element", &wanted).await;
        let id = found.as_object().and_then(|found| found.values().next());
        format!("element/{}", id.and_then(Value::as_str).expect("an element"))
    }

    pub async fn wait_for(&self, condition: &str) {
        let deadline = Instant::now() + DEADLINE;
        while self.value(condition).await != json!(true) {
            assert!(
                Instant::now() < deadline,
                "not within {DEADLINE:?}: {condition}\n{:?}",
                self.complaints().await
            );
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What the browser found wrong with the page since last asked: scripts that failed, and what a policy held back.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.tell("se/log", &json!({ "type": "browser" })).await;
        let entries = log.as_array().expect("a list").iter();
        entries
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    pub async fn keep_screenshot(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENSHOTS") else {
            return;
        };
        let shot = self
            .http
            .get(format!("{}/screenshot", self.address))
            .send()
            .await
            .expect("an answer");
        let shot: Value = shot.json().await.expect("JSON");
        let png = STANDARD
            .decode(shot["value"].as_str().expect("a picture"))
            .expect("base64");
        std::fs::write(format!("{folder}/{name}.png"), png).expect("written");
    }

    /// Needs no runtime.
    fn end_session(&self) -> std::io::Result<()> {
        let (_, rest) = self.address.split_once("//").unwrap_or_default();
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        )?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // A driver that is just killed leaves its browser behind, which a test that fails must not do either.
        self.end_session().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}
