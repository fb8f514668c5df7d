use crate::client::{Client, nicknames, unique, with};
use crate::follows::follow;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_profile_counts_posts_followers_and_following_and_keeps_private_what_is() {
    let client = Client::new();
    let (star, fan) = (client.new_member().await, client.new_member().await);
    for text in ["one", "two"] {
        star.post(&client, text).await;
    }
    follow(&client, &fan, star.nickname()).await.expect_no_content();
    let by_nickname = client.get(&format!("/api/members/{}", star.nickname())).await;
    let by_nickname = by_nickname.expect(StatusCode::OK);
    let by_id = client.get(&format!("/api/members/{}", star.id(&client).await)).await;
    assert_eq!(by_id.expect(StatusCode::OK), by_nickname);
    for (count, expected) in [("posts", 2), ("followers", 1), ("following", 0)] {
        assert_eq!(by_nickname[count], expected, "{count} in {by_nickname}");
    }
    assert_eq!(by_nickname["nickname"], star.nickname());
    for private in ["email", "phone", "password"] {
        assert!(!by_nickname.to_string().contains(private), "{private} in {by_nickname}");
    }
    let fans = client.get(&format!("/api/members/{}", fan.nickname())).await;
    assert_eq!(fans.expect(StatusCode::OK)["following"], 1);
}

#[tokio::test]
async fn a_profile_that_is_not_there_is_said_to_be_missing() {
    let client = Client::new();
    for name in [
        unique("nobody").as_str(),
        "0",
        "-1",
        "a%40b.co",
        "%00",
        "99999999999999999999999",
    ] {
        let answer = client.get(&format!("/api/members/{name}")).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MEMBER", &[]);
    }
}

#[tokio::test]
async fn members_are_found_by_the_start_of_their_nickname_in_order() {
    let client = Client::new();
    let prefix = unique("찾_");
    let names: Vec<String> = ["가", "나", "다", "라", "마"]
        .map(|end| format!("{prefix}{end}"))
        .into();
    for nickname in names.iter().rev() {
        let sign_up = with(&crate::client::sign_up(), &[("nickname", json!(nickname))]);
        client.post("/api/members", &sign_up).await.expect(StatusCode::CREATED);
    }
    let (mut seen, mut path) = (Vec::new(), format!("/api/members?nickname={prefix}&limit=2"));
    for page_number in 1.. {
        let page = client.get(&path).await.expect(StatusCode::OK);
        seen.extend(nicknames(&page));
        let Some(next) = page["next"].as_str() else {
            assert_eq!(page_number, 3);
            break;
        };
        path = format!("/api/members?nickname={prefix}&limit=2&after={next}");
    }
    assert_eq!(seen, names);
    // `_` stands for itself and not, as in a LIKE pattern, for any character.
    let other = prefix.replacen('_', "가", 1);
    let none = client.get(&format!("/api/members?nickname={other}")).await;
    assert_eq!(none.expect(StatusCode::OK), json!({ "members": [], "next": null }));
    let upper = client
        .get(&format!("/api/members?nickname={}", names[0].to_uppercase()))
        .await;
    assert_eq!(nicknames(&upper.expect(StatusCode::OK)), names[..1]);
}

#[tokio::test]
async fn a_search_that_is_not_understood_is_refused_by_field() {
    let client = Client::new();
    let too_long = format!("nickname={}", "a".repeat(31));
    for (query, field) in [
        ("", "nickname"),
        ("nickname=", "nickname"),
        ("nickname=%25", "nickname"),
        ("nickname=a%00", "nickname"),
        ("nickname=%27%20OR%201=1", "nickname"),
        (too_long.as_str(), "nickname"),
        ("nickname=a&limit=0", "limit"),
        ("nickname=a&after=%27", "after"),
        ("nickname=a&after=AAAA", "after"),
        ("nickname=a&email=b", "email"),
    ] {
        let answer = client.get(&format!("/api/members?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}
