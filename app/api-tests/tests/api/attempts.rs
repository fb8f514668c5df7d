//! The API is to be reached directly here, or through proxies that pass on what `X-Forwarded-For` says: each test has an
//! address of its own, so that it locks out none of the others.

use crate::client::{Answer, Client, send, text, unique};
use rand::RngExt as _;
use reqwest::{Method, StatusCode};
use serde_json::json;

const PASSWORD: &str = "correct horse battery";
const MOST_PER_ACCOUNT: usize = 10;
const MOST_PER_ADDRESS: usize = 100;

#[tokio::test]
async fn after_10_wrong_passwords_an_account_is_shut_for_every_name_and_address() {
    let client = Client::new();
    let (member, other) = (client.new_member().await, client.new_member().await);
    for attempt in 0..MOST_PER_ACCOUNT {
        let name = text(&member.sign_up, ["email", "nickname", "phone"][attempt % 3]);
        let answer = sign_in(&client, &address(), name, "wrong horse").await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    }
    for field in ["email", "nickname", "phone"] {
        let name = text(&member.sign_up, field);
        expect_refused(sign_in(&client, &address(), name, PASSWORD).await);
    }
    let body = json!({ "password": PASSWORD });
    let withdrawal = client.post_as(&member.token, "/api/me/withdrawal", &body).await;
    expect_refused(withdrawal);
    let own_address = sign_in(&client, &address(), other.nickname(), PASSWORD).await;
    own_address.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn confirming_with_a_wrong_password_counts_like_signing_in() {
    let client = Client::new();
    let member = client.new_member().await;
    for _ in 0..MOST_PER_ACCOUNT {
        let body = json!({ "password": "wrong horse" });
        let answer = client.post_as(&member.token, "/api/me/withdrawal", &body).await;
        answer.expect_problem(StatusCode::FORBIDDEN, "WRONG_PASSWORD", &["password"]);
    }
    expect_refused(sign_in(&client, &address(), member.nickname(), PASSWORD).await);
}

#[tokio::test]
async fn right_passwords_are_not_counted() {
    let client = Client::new();
    let (member, address) = (client.new_member().await, address());
    for _ in 0..MOST_PER_ACCOUNT + 5 {
        let answer = sign_in(&client, &address, member.nickname(), PASSWORD).await;
        answer.expect(StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_shut_like_one_that_somebody_has() {
    let client = Client::new();
    let name = unique("Nobody");
    for attempt in 0..MOST_PER_ACCOUNT {
        let spelt = [name.to_uppercase(), name.to_lowercase()][attempt % 2].clone();
        let answer = sign_in(&client, &address(), &spelt, "wrong horse").await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    }
    expect_refused(sign_in(&client, &address(), &name, "wrong horse").await);
}

#[tokio::test]
async fn of_40_simultaneous_guesses_at_one_account_10_are_looked_at() {
    let client = Client::new();
    let member = client.new_member().await;
    let guesses: Vec<_> = (0..40)
        .map(|_| {
            let (client, name) = (client.clone(), member.nickname().to_owned());
            tokio::spawn(async move { sign_in(&client, &address(), &name, "wrong horse").await })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        match guess.await.expect("ran") {
            answer if answer.status == 401 => looked_at += 1,
            answer => expect_refused(answer),
        }
    }
    assert_eq!(looked_at, MOST_PER_ACCOUNT);
}

#[tokio::test]
async fn after_100_wrong_passwords_an_address_is_shut_for_every_account_and_no_other_address() {
    let client = Client::new();
    let (member, address_in_use) = (client.new_member().await, address());
    for _ in 0..MOST_PER_ADDRESS {
        let answer = sign_in(&client, &address_in_use, &unique("nobody"), "wrong horse").await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    }
    expect_refused(sign_in(&client, &address_in_use, member.nickname(), PASSWORD).await);
    // What a client writes before its own address is not believed.
    let disguised = format!("{}, {address_in_use}", address());
    expect_refused(sign_in(&client, &disguised, member.nickname(), PASSWORD).await);
    let elsewhere = sign_in(&client, &address(), member.nickname(), PASSWORD).await;
    elsewhere.expect(StatusCode::CREATED);
}

async fn sign_in(client: &Client, address: &str, name: &str, password: &str) -> Answer {
    let request = client.request(Method::POST, "/api/sessions");
    let body = json!({ "name": name, "password": password });
    send(request.header("x-forwarded-for", address).json(&body)).await
}

/// One of the network set aside for measurements, which is nobody's.
fn address() -> String {
    let mut random = rand::rng();
    let mut part = || random.random_range(0..=255_u8);
    format!("198.{}.{}.{}", 18 + part() % 2, part(), part())
}

#[track_caller]
fn expect_refused(answer: Answer) {
    let wait_secs: u64 = answer.header("retry-after").parse().expect("a number of seconds");
    assert!((1..=15 * 60).contains(&wait_secs), "{wait_secs}");
    answer.expect_problem(StatusCode::TOO_MANY_REQUESTS, "TOO_MANY_ATTEMPTS", &[]);
}
