//! A change goes live under load.

use super::{call, leave_out_tests, member, release, take_tests_in, this_app, two_releases, with_photo};
use crate::ask::request;
use crate::load::{Ask, Load};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Uploads a photo for all the member's posts, since none goes without; returns its id.
pub fn photo(url: &str, token: &str) -> Value {
    let answer = request(|client| with_photo(client.post(format!("{url}/api/media")).bearer_auth(token)));
    let (status, answer) = answer.unwrap();
    assert_eq!(status, 201, "{answer}");
    serde_json::from_str::<Value>(&answer).unwrap()["id"].clone()
}

/// One write in three, each with a text of its own and all with the same photo.
fn reads_and_writes(token: String, photo: Value, run: String) -> Ask {
    Arc::new(move |client, router, number| match number % 3 {
        0 => client
            .post(format!("{router}/api/posts"))
            .bearer_auth(&token)
            .json(&json!({ "text": format!("{run} {number}"), "photos": [photo] })),
        1 => client.get(format!("{router}/api/posts?limit=5")),
        _ => client.get(format!("{router}/version")),
    })
}

/// The texts of this run that the API lists, page by page.
pub fn written(url: &str, run: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = "/api/posts?limit=50".to_owned();
    for _ in 0..10_000 {
        let (status, page) = call(reqwest::Method::GET, &format!("{url}{path}"), "", None);
        assert_eq!(status, 200, "{page}");
        let texts = page["posts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|post| post["text"].as_str());
        found.extend(texts.filter(|text| text.starts_with(run)).map(str::to_owned));
        match page["next"].as_str() {
            Some(next) => {
                path = if next.starts_with('/') {
                    next.to_owned()
                } else {
                    format!("/api/posts?limit=50&before={next}")
                }
            }
            None => return found,
        }
    }
    panic!("the list of posts does not end");
}

/// The share a step's candidate had must be what chance makes of its weight.
fn expect_split(steps: &Value) -> usize {
    let mut judged = 0;
    for step in steps.as_array().unwrap() {
        let weight: f64 = step["weight"]
            .as_str()
            .unwrap()
            .trim_end_matches('%')
            .parse::<f64>()
            .unwrap()
            / 100.0;
        let requests = |side: &str| step["judgement"][side]["requests"].as_f64().unwrap();
        let total = requests("candidate") + requests("stable");
        if weight >= 1.0 {
            continue;
        }
        let share = requests("candidate") / total;
        let sigma = (weight * (1.0 - weight) / total).sqrt();
        println!(
            "weight {:.1}%: {share:.4} of {total} requests, {:.2}σ off",
            weight * 100.0,
            (share - weight).abs() / sigma
        );
        assert!(
            (share - weight).abs() <= 3.0 * sigma,
            "weight {weight}, share {share} of {total} requests"
        );
        judged += 1;
    }
    judged
}

#[test]
fn a_changed_line_goes_live_under_load_without_a_failed_request_while_both_releases_work_together() {
    let project = this_app();
    // Long enough at each weight for a share that says something, and at half for all that two releases must share.
    project.edit("pipeline.yaml", "bake: 3s", "bake: 5s");
    project.edit("pipeline.yaml", "weight: 50%, bake: 5s", "weight: 50%, bake: 60s");
    project.commit("longer steps");
    leave_out_tests(&project);
    let first = release(&project);
    take_tests_in(&project);
    let url = project.url("production");
    let token = member(&url);
    let photo = photo(&url, &token);

    project.edit("app/src/operations.rs", "//! ", "//! Changed. ");
    project.edit("app/web/index.html", "</title>", " 2</title>");
    let run = format!("run {:08x}", rand::random::<u32>());
    let load = Load::start(
        &project.routers(),
        8,
        // Enough for each step to say something; beside it, the release has a compiler and tests to run.
        Duration::from_millis(80),
        reads_and_writes(token, photo, run.clone()),
    );
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| release(&project));
        two_releases::work_together(&project, first["id"].as_str().unwrap(), || second.is_finished());
        second.join().unwrap()
    });
    let report = load.end();
    assert_ne!(second["id"], first["id"]);

    println!("{} requests, {} failed", report.sent, report.failures.len());
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.sent >= 5_000, "only {} requests: no honest load", report.sent);
    let journal = std::fs::read_to_string(
        project
            .root
            .join(format!(".release/releases/{}/journal", second["id"].as_str().unwrap())),
    )
    .unwrap();
    let mut finished = journal
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.split_once(' ')?.1).ok());
    let shifted = finished
        .rfind(|entry| entry["event"] == "stage-finished" && entry["stage"] == "production")
        .unwrap();
    assert!(expect_split(&shifted["outcome"]["steps"]) >= 3, "{shifted}");

    let texts = written(&url, &run);
    let different: BTreeSet<&String> = texts.iter().collect();
    assert_eq!(texts.len(), different.len(), "a write happened twice");
    assert_eq!(
        texts.len() as u64,
        report.writes,
        "rows written, and writes answered with success"
    );
    assert!(
        report.writes * 10 >= report.sent * 3,
        "{} of {} were writes",
        report.writes,
        report.sent
    );
}
