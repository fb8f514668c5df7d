use crate::client::{Answer, Client, Member, nicknames, send, text, unique};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn following_is_immediate_and_twice_is_once() {
    let client = Client::new();
    let (fan, star) = (client.new_member().await, client.new_member().await);
    for name in [star.nickname().to_owned(), star.id(&client).await.to_string()] {
        follow(&client, &fan, &name).await.expect_no_content();
    }
    let followers = client.get(&followers_of(&star)).await.expect(StatusCode::OK);
    assert_eq!(nicknames(&followers), [fan.nickname()]);
    assert_eq!(followers["next"], Value::Null);
    let followed = &followers["members"][0];
    assert_eq!(followed["id"], fan.id(&client).await);
    assert_eq!(followed["real_name"], fan.sign_up["real_name"]);
    assert!(text(followed, "followed_at").ends_with("+09:00"), "{followed}");
    assert!(!followers.to_string().contains("@example.com"), "{followers}");

    let following = client.get(&following_of(&fan)).await.expect(StatusCode::OK);
    assert_eq!(nicknames(&following), [star.nickname()]);
    let not_back = client.get(&following_of(&star)).await.expect(StatusCode::OK);
    assert_eq!(not_back, json!({ "members": [], "next": null }));
}

#[tokio::test]
async fn unfollowing_is_immediate_and_needs_no_follow_before() {
    let client = Client::new();
    let (fan, star) = (client.new_member().await, client.new_member().await);
    follow(&client, &fan, star.nickname()).await.expect_no_content();
    for _ in 0..2 {
        unfollow(&client, &fan, star.nickname()).await.expect_no_content();
        let followers = client.get(&followers_of(&star)).await.expect(StatusCode::OK);
        assert_eq!(followers["members"], json!([]));
    }
}

#[tokio::test]
async fn nobody_follows_himself() {
    let client = Client::new();
    let member = client.new_member().await;
    for name in [member.nickname().to_uppercase(), member.id(&client).await.to_string()] {
        let answer = follow(&client, &member, &name).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "FOLLOW_SELF", &[]);
    }
    let followers = client.get(&followers_of(&member)).await.expect(StatusCode::OK);
    assert_eq!(followers["members"], json!([]));
}

#[tokio::test]
async fn one_who_is_not_there_is_neither_followed_nor_listed() {
    let client = Client::new();
    let fan = client.new_member().await;
    for name in [
        unique("nobody").as_str(),
        "0",
        "18446744073709551615",
        "99999999999999999999999",
        "-1",
        "a%40b",
        "%00",
        "%27%20OR%201=1",
        "..%2f..",
        &"a".repeat(5_000),
    ] {
        for answer in [
            follow(&client, &fan, name).await,
            unfollow(&client, &fan, name).await,
            client.get(&format!("/api/members/{name}/followers")).await,
            client.get(&format!("/api/members/{name}/following")).await,
        ] {
            answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", &[]);
        }
    }
}

#[tokio::test]
async fn only_who_is_signed_in_follows() {
    let client = Client::new();
    let star = client.new_member().await;
    for method in [Method::PUT, Method::DELETE] {
        let path = format!("/api/members/{}/follow", star.nickname());
        let answer = send(client.request(method.clone(), &path)).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
        let answer = send(client.request(method, &path).bearer_auth("forged")).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
    }
}

#[tokio::test]
async fn both_lists_are_paged_newest_first() {
    let client = Client::new();
    let star = client.new_member().await;
    let mut fans = Vec::new();
    for _ in 0..5 {
        let fan = client.new_member().await;
        follow(&client, &fan, star.nickname()).await.expect_no_content();
        follow(&client, &star, fan.nickname()).await.expect_no_content();
        fans.insert(0, fan.nickname().to_owned());
    }
    for list in [followers_of(&star), following_of(&star)] {
        let (mut seen, mut path) = (Vec::new(), format!("{list}?limit=2"));
        for page_number in 1.. {
            let page = client.get(&path).await.expect(StatusCode::OK);
            seen.extend(nicknames(&page));
            let Some(next) = page["next"].as_str() else {
                assert_eq!(page_number, 3, "{list}");
                break;
            };
            path = format!("{list}?limit=2&before={next}");
        }
        assert_eq!(seen, fans, "{list}");
        for (query, field) in [("limit=0", "limit"), ("before=x", "before"), ("page=2", "page")] {
            let answer = client.get(&format!("{list}?{query}")).await;
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
        }
    }
}

#[tokio::test]
async fn of_100_simultaneous_follows_one_remains() {
    let client = Client::new();
    let (fan, star) = (client.new_member().await, client.new_member().await);
    let attempts: Vec<_> = (0..100)
        .map(|_| {
            let (client, token, name) = (client.clone(), fan.token.clone(), star.nickname().to_owned());
            tokio::spawn(async move {
                let path = format!("/api/members/{name}/follow");
                send(client.request(Method::PUT, &path).bearer_auth(token)).await
            })
        })
        .collect();
    for attempt in attempts {
        attempt.await.expect("ran").expect_no_content();
    }
    let profile = client.get(&format!("/api/members/{}", star.nickname())).await;
    assert_eq!(profile.expect(StatusCode::OK)["followers"], 1);
}

pub async fn follow(client: &Client, fan: &Member, name: &str) -> Answer {
    let path = format!("/api/members/{name}/follow");
    send(client.request(Method::PUT, &path).bearer_auth(&fan.token)).await
}

async fn unfollow(client: &Client, fan: &Member, name: &str) -> Answer {
    let path = format!("/api/members/{name}/follow");
    send(client.request(Method::DELETE, &path).bearer_auth(&fan.token)).await
}

fn followers_of(member: &Member) -> String {
    format!("/api/members/{}/followers", member.nickname())
}

fn following_of(member: &Member) -> String {
    format!("/api/members/{}/following", member.nickname())
}
