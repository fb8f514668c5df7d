use crate::accounts::change;
use crate::client::{Answer, Client, Member, text};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn a_refresh_token_gives_a_new_pair_of_tokens_each_time() {
    let client = Client::new();
    let member = client.new_member().await;
    let me = client.get_as(&member.token, "/api/me").await.expect(StatusCode::OK);
    let mut session = session(&client, &member).await;
    assert_eq!(session["refresh_expires_in"], 30 * 24 * 60 * 60);
    for _ in 0..3 {
        let answer = refresh(&client, text(&session, "refresh_token")).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let next = answer.expect(StatusCode::OK);
        assert_eq!(
            (&next["token_type"], &next["expires_in"]),
            (&json!("Bearer"), &json!(900))
        );
        for token in ["access_token", "refresh_token"] {
            assert_ne!(next[token], session[token], "{token}");
        }
        let still_me = client.get_as(text(&next, "access_token"), "/api/me").await;
        assert_eq!(still_me.expect(StatusCode::OK), me);
        session = next;
    }
}

#[tokio::test]
async fn a_refresh_token_used_again_ends_its_whole_session_and_no_other() {
    let client = Client::new();
    let member = client.new_member().await;
    let (stolen, other) = (session(&client, &member).await, session(&client, &member).await);
    let second = refresh(&client, text(&stolen, "refresh_token"))
        .await
        .expect(StatusCode::OK);
    let third = refresh(&client, text(&second, "refresh_token"))
        .await
        .expect(StatusCode::OK);
    for token in [&stolen, &third, &second] {
        expect_refused(refresh(&client, text(token, "refresh_token")).await);
    }
    refresh(&client, text(&other, "refresh_token"))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn of_20_simultaneous_uses_of_one_refresh_token_at_most_one_succeeds_and_the_session_is_over() {
    let client = Client::new();
    let member = client.new_member().await;
    let first = session(&client, &member).await;
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (client, token) = (client.clone(), text(&first, "refresh_token").to_owned());
            tokio::spawn(async move { refresh(&client, &token).await })
        })
        .collect();
    let mut given = Vec::new();
    for attempt in attempts {
        match attempt.await.expect("ran") {
            answer if answer.status == 200 => given.push(answer.json()),
            answer => expect_refused(answer),
        }
    }
    assert!(given.len() <= 1, "{} of 20 were given the next token", given.len());
    for session in given.iter().chain([&first]) {
        expect_refused(refresh(&client, text(session, "refresh_token")).await);
    }
}

#[tokio::test]
async fn who_logs_out_can_refresh_no_more_and_may_log_out_again() {
    let client = Client::new();
    let member = client.new_member().await;
    let (first, other) = (session(&client, &member).await, session(&client, &member).await);
    let body = json!({ "refresh_token": first["refresh_token"] });
    for _ in 0..2 {
        client.post("/api/sessions/logout", &body).await.expect_no_content();
        expect_refused(refresh(&client, text(&first, "refresh_token")).await);
    }
    let nobodys = json!({ "refresh_token": "nobody's" });
    client.post("/api/sessions/logout", &nobodys).await.expect_no_content();
    refresh(&client, text(&other, "refresh_token"))
        .await
        .expect(StatusCode::OK);
}

#[tokio::test]
async fn a_new_password_and_a_withdrawal_end_every_session() {
    let client = Client::new();
    let member = client.new_member().await;
    let sessions = [session(&client, &member).await, session(&client, &member).await];
    let same_password = json!({ "password": PASSWORD, "real_name": "another" });
    change(&client, &member, &same_password).await.expect(StatusCode::OK);
    let first = refresh(&client, text(&sessions[0], "refresh_token"))
        .await
        .expect(StatusCode::OK);
    let body = json!({ "password": PASSWORD, "new_password": "a new password" });
    change(&client, &member, &body).await.expect(StatusCode::OK);
    for session in [&first, &sessions[1]] {
        expect_refused(refresh(&client, text(session, "refresh_token")).await);
    }

    let last = client
        .sign_in(member.nickname(), "a new password")
        .await
        .expect(StatusCode::CREATED);
    let body = json!({ "password": "a new password" });
    client
        .post_as(&member.token, "/api/me/withdrawal", &body)
        .await
        .expect_no_content();
    expect_refused(refresh(&client, text(&last, "refresh_token")).await);
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused() {
    let client = Client::new();
    let member = client.new_member().await;
    let right = session(&client, &member).await;
    let right = text(&right, "refresh_token");
    // The right session with another secret is a guess, or an old token: the session ends.
    let mut guess = URL_SAFE_NO_PAD.decode(right).expect("base64url");
    *guess.last_mut().expect("not empty") ^= 1;
    for token in [
        "",
        "nonsense",
        "' OR '1'='1",
        "\0",
        &"A".repeat(10_000),
        &member.token,
        &right[1..],
    ] {
        expect_refused(refresh(&client, token).await);
    }
    expect_refused(refresh(&client, &URL_SAFE_NO_PAD.encode(guess)).await);
    expect_refused(refresh(&client, right).await);

    for body in [
        json!({}),
        json!({ "refresh_token": 5 }),
        json!({ "refresh_token": null }),
    ] {
        for path in ["/api/sessions/refresh", "/api/sessions/logout"] {
            let answer = client.post(path, &body).await;
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["refresh_token"]);
        }
    }
    let as_access_token = client.get_as(right, "/api/me").await;
    as_access_token.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
}

async fn session(client: &Client, member: &Member) -> Value {
    let answer = client.sign_in(member.nickname(), PASSWORD).await;
    answer.expect(StatusCode::CREATED)
}

async fn refresh(client: &Client, token: &str) -> Answer {
    let body = json!({ "refresh_token": token });
    client.post("/api/sessions/refresh", &body).await
}

#[track_caller]
fn expect_refused(answer: Answer) {
    answer.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_REFRESH_TOKEN", &[]);
}
