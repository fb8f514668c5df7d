use crate::client::{Answer, Client, Member, phone, send, sign_up, text, unique, with};
use crate::follows::follow;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn a_member_changes_everything_but_the_email_after_confirming_the_password() {
    let client = Client::new();
    let member = client.new_member().await;
    let (nickname, number) = (unique("new"), phone());
    let body = json!({
        "password": PASSWORD, "real_name": "새 이름", "nickname": nickname, "phone": number, "new_password": "wrong no more",
    });
    let changed = change(&client, &member, &body).await.expect(StatusCode::OK);
    assert_eq!(changed["real_name"], "새 이름");
    assert_eq!(
        (text(&changed, "nickname"), text(&changed, "phone")),
        (&*nickname, &*number)
    );
    assert_eq!(changed["email"], member.sign_up["email"]);
    let me = client.get_as(&member.token, "/api/me").await.expect(StatusCode::OK);
    assert_eq!(me, changed);

    for name in [&nickname, &number] {
        client.sign_in(name, "wrong no more").await.expect(StatusCode::CREATED);
        let answer = client.sign_in(name, PASSWORD).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    }
    let old_name = client.get(&format!("/api/members/{}", member.nickname())).await;
    old_name.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", &[]);
}

#[tokio::test]
async fn what_is_left_out_of_a_change_stays_and_a_null_telephone_number_goes() {
    let client = Client::new();
    let member = client.new_member().await;
    let before = client.get_as(&member.token, "/api/me").await.expect(StatusCode::OK);
    let same = change(&client, &member, &json!({ "password": PASSWORD })).await;
    assert_eq!(same.expect(StatusCode::OK), before);
    let without = change(&client, &member, &json!({ "password": PASSWORD, "phone": null })).await;
    let mut expected = before.clone();
    expected["phone"] = Value::Null;
    assert_eq!(without.expect(StatusCode::OK), expected);
    // In the same spelling but for its case, the nickname is still the member's own.
    let upper = member.nickname().to_uppercase();
    let louder = change(&client, &member, &json!({ "password": PASSWORD, "nickname": upper })).await;
    assert_eq!(louder.expect(StatusCode::OK)["nickname"], upper);
}

#[tokio::test]
async fn a_change_that_clashes_with_another_member_changes_nothing() {
    let client = Client::new();
    let (first, second) = (client.new_member().await, client.new_member().await);
    let before = client.get_as(&second.token, "/api/me").await.expect(StatusCode::OK);
    for (field, code) in [("nickname", "TAKEN_NICKNAME"), ("phone", "TAKEN_PHONE")] {
        let body = json!({ "password": PASSWORD, "real_name": "not to be", field: first.sign_up[field] });
        let answer = change(&client, &second, &body).await;
        answer.expect_problem(StatusCode::CONFLICT, code, &[field]);
    }
    let after = client.get_as(&second.token, "/api/me").await.expect(StatusCode::OK);
    assert_eq!(after, before);
}

#[tokio::test]
async fn without_the_right_password_nothing_is_changed_and_nobody_withdraws() {
    let client = Client::new();
    let member = client.new_member().await;
    let wrong = json!({ "password": "wrong horse", "real_name": "stolen" });
    let answer = change(&client, &member, &wrong).await;
    answer.expect_problem(StatusCode::FORBIDDEN, "WRONG_PASSWORD", &["password"]);
    let answer = withdraw(&client, &member, &json!({ "password": "wrong horse" })).await;
    answer.expect_problem(StatusCode::FORBIDDEN, "WRONG_PASSWORD", &["password"]);
    for body in [json!({}), json!({ "password": "" }), json!({ "password": 5 })] {
        for answer in [
            change(&client, &member, &body).await,
            withdraw(&client, &member, &body).await,
        ] {
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["password"]);
        }
    }
    let me = client.get_as(&member.token, "/api/me").await.expect(StatusCode::OK);
    assert_eq!(me["real_name"], member.sign_up["real_name"]);
    for (method, path) in [(Method::PATCH, "/api/me"), (Method::POST, "/api/me/withdrawal")] {
        let request = client.request(method, path).json(&json!({ "password": PASSWORD }));
        send(request)
            .await
            .expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
}

#[tokio::test]
async fn a_change_that_breaks_a_rule_is_refused_and_its_fields_named() {
    let client = Client::new();
    let member = client.new_member().await;
    for (field, value) in [
        ("real_name", json!(" ")),
        ("nickname", json!("12345")),
        ("nickname", json!("a".repeat(10_000))),
        ("nickname", json!(["a"])),
        ("phone", json!("call me")),
        ("new_password", json!("short")),
        ("email", json!("new@example.com")),
        ("id", json!(1)),
    ] {
        let body = with(&json!({ "password": PASSWORD }), &[(field, value)]);
        let answer = change(&client, &member, &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}

#[tokio::test]
async fn of_two_simultaneous_password_changes_one_wins() {
    let client = Client::new();
    let member = client.new_member().await;
    let passwords = ["first new password", "second new password"];
    let body = |new: &str| json!({ "password": PASSWORD, "new_password": new });
    let bodies = passwords.map(body);
    let (first, second) = tokio::join!(
        change(&client, &member, &bodies[0]),
        change(&client, &member, &bodies[1])
    );
    let won: Vec<bool> = [first, second].iter().map(|answer| answer.status == 200).collect();
    assert_eq!(won.iter().filter(|won| **won).count(), 1, "{won:?}");
    for (password, won) in passwords.iter().zip(won) {
        let answer = client.sign_in(member.nickname(), password).await;
        assert_eq!(answer.status == 201, won, "{password}");
    }
}

#[tokio::test]
async fn of_20_members_changing_to_one_nickname_exactly_one_gets_it() {
    let client = Client::new();
    let nickname = unique("race");
    let mut attempts = Vec::new();
    for _ in 0..20 {
        let (client, member) = (client.clone(), client.new_member().await);
        let body = json!({ "password": PASSWORD, "nickname": nickname });
        attempts.push(tokio::spawn(async move { change(&client, &member, &body).await }));
    }
    let mut changed = 0;
    for attempt in attempts {
        match attempt.await.expect("ran") {
            answer if answer.status == 200 => changed += 1,
            answer => answer.expect_problem(StatusCode::CONFLICT, "TAKEN_NICKNAME", &["nickname"]),
        }
    }
    assert_eq!(changed, 1);
}

#[tokio::test]
async fn who_withdraws_takes_posts_and_follows_along_and_the_token_is_worth_nothing() {
    let client = Client::new();
    let (leaver, stayer) = (client.new_member().await, client.new_member().await);
    let post = leaver.post(&client, "last words").await;
    follow(&client, &leaver, stayer.nickname()).await.expect_no_content();
    follow(&client, &stayer, leaver.nickname()).await.expect_no_content();
    withdraw(&client, &leaver, &json!({ "password": PASSWORD }))
        .await
        .expect_no_content();

    client
        .get(&post)
        .await
        .expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
    let profile = client.get(&format!("/api/members/{}", leaver.nickname())).await;
    profile.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", &[]);
    let profile = client.get(&format!("/api/members/{}", stayer.nickname())).await;
    let profile = profile.expect(StatusCode::OK);
    assert_eq!((&profile["followers"], &profile["following"]), (&json!(0), &json!(0)));

    let signed_in = client.sign_in(leaver.nickname(), PASSWORD).await;
    signed_in.expect_problem(StatusCode::UNAUTHORIZED, "WRONG_CREDENTIALS", &[]);
    for answer in [
        client.get_as(&leaver.token, "/api/me").await,
        client
            .post_as(&leaver.token, "/api/posts", &json!({ "photos": [1] }))
            .await,
        follow(&client, &leaver, stayer.nickname()).await,
        change(&client, &leaver, &json!({ "password": PASSWORD })).await,
        withdraw(&client, &leaver, &json!({ "password": PASSWORD })).await,
    ] {
        answer.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
    }
}

#[tokio::test]
async fn email_nickname_and_telephone_number_are_free_again_after_withdrawing() {
    let client = Client::new();
    let member = client.new_member().await;
    let old_id = member.id(&client).await;
    withdraw(&client, &member, &json!({ "password": PASSWORD }))
        .await
        .expect_no_content();
    let again = client
        .post("/api/members", &member.sign_up)
        .await
        .expect(StatusCode::CREATED);
    assert_ne!(again["id"], old_id, "an old token must not become somebody else's");
    let ghost = client.get_as(&member.token, "/api/me").await;
    ghost.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
}

#[tokio::test]
async fn following_one_who_is_withdrawing_ends_without_an_error_and_without_a_trace() {
    let client = Client::new();
    let leaver = client.new_member().await;
    let mut attempts = Vec::new();
    for _ in 0..10 {
        let (client, fan, name) = (client.clone(), client.new_member().await, leaver.nickname().to_owned());
        attempts.push(tokio::spawn(async move {
            let status = follow(&client, &fan, &name).await.status;
            let profile = client.get(&format!("/api/members/{}", fan.nickname())).await;
            (status, fan, profile.status)
        }));
    }
    withdraw(&client, &leaver, &json!({ "password": PASSWORD }))
        .await
        .expect_no_content();
    for attempt in attempts {
        let (status, fan, profile) = attempt.await.expect("ran");
        assert!(matches!(status, 204 | 404), "{status}");
        assert_eq!(profile, 200);
        let profile = client.get(&format!("/api/members/{}", fan.nickname())).await;
        assert_eq!(profile.expect(StatusCode::OK)["following"], 0);
    }
    let sign_up = with(&sign_up(), &[("nickname", json!(leaver.nickname()))]);
    client.post("/api/members", &sign_up).await.expect(StatusCode::CREATED);
}

pub async fn change(client: &Client, member: &Member, body: &Value) -> Answer {
    let request = client.request(Method::PATCH, "/api/me");
    send(request.bearer_auth(&member.token).json(body)).await
}

async fn withdraw(client: &Client, member: &Member, body: &Value) -> Answer {
    client.post_as(&member.token, "/api/me/withdrawal", body).await
}
