//! Release after release goes live on three hosts under all that users do: they read and write over connections that they
//! keep or open anew, upload photos, and listen for messages.
//!
//! Every request counts that is not answered with success, and so does every message that does not arrive once and in
//! order. `SOAK_RELEASES` says how many releases; the tier `soak` asks for fifty.

use super::live::{photo, written};
use super::{call, leave_out_tests, release, this_app, with_photo};
use crate::load::{Ask, Load};
use crate::project::Project;
use listeners::Listeners;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod listeners;

const PASSWORD: &str = "correct horse battery";
/// The image is built and its tests are run in other tests: what is repeated here is how it goes live.
const CANARY: &str = "          steps:
            - { weight: 5%, bake: 1s }
            - { weight: 25%, bake: 1s }
            - { weight: 50%, bake: 1s }
            - { weight: 100% }
";

fn releases() -> usize {
    let asked = std::env::var("SOAK_RELEASES").ok();
    asked.map_or(2, |asked| asked.parse().expect("SOAK_RELEASES is a number"))
}

/// Three hosts, and steps as short as they may be.
fn project() -> Project {
    let project = this_app();
    let local = "    ground: {}                    # ports are chosen once and kept; `ground: { site: 8000 }` asks for one\n    environments:\n      production:\n";
    let hosts = "    ground: {}\n    environments:\n      staging:\n        load: { rps: 20, duration: 1s, paths: [/version], p99: 2s, max_error_rate: 1% }\n      production:\n        target: { hosts: [production-1, production-2, production-3] }\n";
    project.edit("pipeline.yaml", local, hosts);
    let text = std::fs::read_to_string(project.root.join("pipeline.yaml")).unwrap();
    let (_, steps) = text.split_once(hosts).unwrap();
    let (_, steps) = steps.split_once("        canary:\n").unwrap();
    let (steps, _) = steps.split_once("          judge:").unwrap();
    project.edit("pipeline.yaml", steps, CANARY);
    project.edit("pipeline.yaml", "        bake: 5s", "        bake: 1s");
    project.edit("pipeline.yaml", "  requests: 10s", "  requests: 5s");
    // The last of what anyone may read.
    let secrets = "  secret: [DB_PASSWORD, JWT_KEY]";
    project.edit("pipeline.yaml", secrets, &format!("    {}\n{secrets}", log_level(0)));
    project
}

/// Of something that is not there: the app says no more than before.
fn log_level(number: usize) -> String {
    format!("RUST_LOG: info,soak{number}=info")
}

/// A member, and a token that is renewed long before it runs out.
#[derive(Clone)]
struct Member {
    url: String,
    name: String,
    id: u64,
    token: Arc<Mutex<String>>,
}

impl Member {
    fn join(url: &str) -> Self {
        let name = format!("soak{:016x}", rand::random::<u64>());
        let body = json!({
            "email": format!("{name}@example.com"), "real_name": "장기", "nickname": name, "password": PASSWORD,
        });
        let (status, answer) = call(reqwest::Method::POST, &format!("{url}/api/members"), "", Some(body));
        assert_eq!(status, 201, "{answer}");
        let member = Self {
            url: url.to_owned(),
            name,
            id: answer["id"].as_u64().unwrap(),
            token: Arc::default(),
        };
        member.sign_in();
        member
    }

    fn sign_in(&self) {
        let body = json!({ "name": self.name, "password": PASSWORD });
        let (status, answer) = call(
            reqwest::Method::POST,
            &format!("{}/api/sessions", self.url),
            "",
            Some(body),
        );
        assert!(status < 300, "{status} {answer}");
        *self.token.lock().unwrap() = answer["access_token"].as_str().unwrap().to_owned();
    }

    fn token(&self) -> String {
        self.token.lock().unwrap().clone()
    }
}

/// Two in five are posts with a text of their own, one in five is an upload.
fn everything(author: Member, photo: Value, run: String) -> Ask {
    Arc::new(move |client, router, number| match number % 5 {
        0 | 1 => client
            .post(format!("{router}/api/posts"))
            .bearer_auth(author.token())
            .json(&json!({ "text": format!("{run} {number}"), "photos": [photo] })),
        2 => with_photo(client.post(format!("{router}/api/media")).bearer_auth(author.token())),
        3 => client.get(format!("{router}/api/posts?limit=5")),
        _ => client.get(format!("{router}/version")),
    })
}

#[test]
fn release_after_release_goes_live_and_no_request_and_no_message_is_lost() {
    let project = project();
    project.commit("three hosts, short steps");
    leave_out_tests(&project);
    let mut served = BTreeSet::from([release(&project)["id"].to_string()]);
    let url = project.url("production");
    let (author, fan) = (Member::join(&url), Member::join(&url));
    let photo = photo(&url, &author.token());
    let run = format!("soak {:08x}", rand::random::<u32>());
    let routers = project.routers();
    assert_eq!(routers.len(), 3);

    let load = Load::start(
        &routers,
        4,
        Duration::from_millis(50),
        everything(author.clone(), photo, run.clone()),
    );
    let listeners = Listeners::start(&routers, &author, &fan);
    let began = Instant::now();
    for number in 1..=releases() {
        // Another configuration is another release, in containers of its own.
        project.edit("pipeline.yaml", &log_level(number - 1), &log_level(number));
        project.commit(&format!("soak {number}"));
        author.sign_in();
        fan.sign_in();
        let since = Instant::now();
        assert!(served.insert(release(&project)["id"].to_string()), "released twice");
        println!(
            "release {number}: {:.1} s, {} requests so far, {} failed",
            since.elapsed().as_secs_f64(),
            load.sent(),
            load.failed()
        );
    }
    let took = began.elapsed();
    let heard = listeners.end();
    let report = load.end();

    let texts = written(&url, &run);
    let different: BTreeSet<&String> = texts.iter().collect();
    let succeeded = |asked: &str| report.succeeded.get(asked).copied().unwrap_or_default();
    let (posts, uploads) = (succeeded("POST /api/posts"), succeeded("POST /api/media"));
    println!(
        "{} releases on 3 hosts in {:.0} s: {} requests, {} failed; {uploads} photos uploaded, {posts} posts answered with success, {} rows of them, {} different; \
         {} messages to {} listeners who came back {} times, {} lost, {} twice or out of order",
        releases(),
        took.as_secs_f64(),
        report.sent,
        report.failures.len(),
        texts.len(),
        different.len(),
        heard.sent,
        heard.listeners,
        heard.reconnected,
        heard.lost,
        heard.disordered,
    );
    assert_eq!(report.failures, Vec::<String>::new());
    assert_eq!(heard.failures, Vec::<String>::new());
    assert_eq!((heard.lost, heard.disordered), (0, 0));
    assert!(
        heard.reconnected >= releases(),
        "nobody had to come back: nothing was replaced"
    );
    assert_eq!(texts.len(), different.len(), "a write happened twice");
    assert_eq!(texts.len() as u64, posts, "rows, and writes answered with success");
}
