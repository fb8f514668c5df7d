use crate::client::{Answer, Client, Member, send, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn liking_twice_is_as_liking_once_and_so_is_unliking() {
    let client = Client::new();
    let (author, fan) = (client.new_member().await, client.new_member().await);
    let post = author.post(&client, "like me").await;
    let shown = async |expected: (i64, bool)| {
        let seen = client.get_as(&fan.token, &post).await.expect(StatusCode::OK);
        assert_eq!(
            (&seen["like_count"], &seen["liked"]),
            (&json!(expected.0), &json!(expected.1))
        );
    };
    shown((0, false)).await;
    for _ in 0..2 {
        client
            .put_as(&fan.token, &format!("{post}/like"))
            .await
            .expect_no_content();
        shown((1, true)).await;
    }
    for _ in 0..2 {
        client
            .delete_as(&fan.token, &format!("{post}/like"))
            .await
            .expect_no_content();
        shown((0, false)).await;
    }
}

#[tokio::test]
async fn whether_a_post_is_liked_is_told_to_each_member_for_himself() {
    let client = Client::new();
    let (author, fan) = (client.new_member().await, client.new_member().await);
    let post = author.post(&client, "like me").await;
    client
        .put_as(&fan.token, &format!("{post}/like"))
        .await
        .expect_no_content();

    let own = client.put_as(&author.token, &format!("{post}/like")).await;
    own.expect_no_content();
    client
        .delete_as(&author.token, &format!("{post}/like"))
        .await
        .expect_no_content();
    for (answer, liked) in [
        (client.get_as(&fan.token, &post).await, true),
        (client.get_as(&author.token, &post).await, false),
        (client.get(&post).await, false),
    ] {
        let seen = answer.expect(StatusCode::OK);
        assert_eq!(
            (&seen["liked"], &seen["like_count"]),
            (&json!(liked), &json!(1)),
            "{seen}"
        );
    }
    let list = client
        .get_as(&fan.token, "/api/posts?limit=50")
        .await
        .expect(StatusCode::OK);
    let listed = list["posts"]
        .as_array()
        .expect("posts")
        .iter()
        .find(|listed| post.ends_with(&format!("/{}", listed["id"])));
    let listed = listed.unwrap_or_else(|| panic!("{post} is not in {list}"));
    assert_eq!((&listed["liked"], &listed["like_count"]), (&json!(true), &json!(1)));
}

#[tokio::test]
async fn of_100_members_who_like_at_once_each_is_counted_once() {
    let client = Client::new();
    let members = client.new_members(100).await;
    let post = members[0].post(&client, "everyone likes this").await;
    let like = format!("{post}/like");
    at_once(&client, &members, Method::PUT, &like).await;
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["like_count"], 100);
    assert_eq!(
        likers(&client, &post).await,
        sorted(members.iter().map(Member::nickname))
    );

    let (leaving, staying) = members.split_at(50);
    at_once(&client, leaving, Method::DELETE, &like).await;
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["like_count"], 50);
    assert_eq!(
        likers(&client, &post).await,
        sorted(staying.iter().map(Member::nickname))
    );
}

#[tokio::test]
async fn one_member_who_likes_100_times_at_once_likes_once() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "double click").await;
    let same = [&member; 100];
    at_once(&client, same, Method::PUT, &format!("{post}/like")).await;
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["like_count"], 1);
    at_once(&client, same, Method::DELETE, &format!("{post}/like")).await;
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["like_count"], 0);
}

#[tokio::test]
async fn likes_and_unlikes_that_cross_leave_a_count_that_its_list_agrees_with() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "like, or rather not").await;
    let mut crossing = JoinSet::new();
    for number in 0..100 {
        let method = if number % 2 == 0 { Method::PUT } else { Method::DELETE };
        let request = client
            .request(method, &format!("{post}/like"))
            .bearer_auth(&member.token);
        crossing.spawn(send(request));
    }
    crossing
        .join_all()
        .await
        .into_iter()
        .for_each(Answer::expect_no_content);
    let seen = client.get_as(&member.token, &post).await.expect(StatusCode::OK);
    let listed = likers(&client, &post).await;
    assert_eq!(seen["like_count"], listed.len(), "{listed:?}");
    assert_eq!(seen["liked"], !listed.is_empty());
}

#[tokio::test]
async fn the_likers_of_a_post_are_listed_newest_first_a_page_at_a_time() {
    let client = Client::new();
    let members = client.new_members(5).await;
    let post = members[0].post(&client, "like me").await;
    for member in &members {
        client
            .put_as(&member.token, &format!("{post}/like"))
            .await
            .expect_no_content();
    }
    let (mut seen, mut path) = (Vec::new(), format!("{post}/likes?limit=2"));
    for length in [2, 2, 1] {
        let page = client.get(&path).await.expect(StatusCode::OK);
        assert_eq!(likes(&page).len(), length, "{page}");
        for like in likes(&page) {
            assert!(
                like["member"]["id"].is_u64() && text(like, "created_at").ends_with("+09:00"),
                "{like}"
            );
            seen.push(text(&like["member"], "nickname").to_owned());
        }
        path = format!("{post}/likes?limit=2&before={}", page["next"].as_str().unwrap_or(""));
    }
    let newest_first: Vec<&str> = members.iter().rev().map(Member::nickname).collect();
    assert_eq!(seen, newest_first);
}

#[tokio::test]
async fn nobody_likes_without_signing_in() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "like me").await;
    for method in [Method::PUT, Method::DELETE] {
        let answer = send(client.request(method, &format!("{post}/like"))).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
    let none = client.get(&format!("{post}/likes")).await.expect(StatusCode::OK);
    assert_eq!(none, json!({ "likes": [], "next": null }));
}

#[tokio::test]
async fn what_is_no_post_cannot_be_liked() {
    let client = Client::new();
    let member = client.new_member().await;
    let deleted = member.post(&client, "soon gone").await;
    client
        .put_as(&member.token, &format!("{deleted}/like"))
        .await
        .expect_no_content();
    client.delete_as(&member.token, &deleted).await.expect_no_content();
    for post in [
        &deleted,
        "/api/posts/18446744073709551615",
        "/api/posts/0",
        "/api/posts/me",
        "/api/posts/%00",
    ] {
        for answer in [
            client.put_as(&member.token, &format!("{post}/like")).await,
            client.delete_as(&member.token, &format!("{post}/like")).await,
            client.get(&format!("{post}/likes")).await,
        ] {
            answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
        }
    }
}

/// Each member's request is sent before any has been answered.
async fn at_once<'a>(client: &Client, members: impl IntoIterator<Item = &'a Member>, method: Method, path: &str) {
    let mut requests = JoinSet::new();
    for member in members {
        requests.spawn(send(client.request(method.clone(), path).bearer_auth(&member.token)));
    }
    requests
        .join_all()
        .await
        .into_iter()
        .for_each(Answer::expect_no_content);
}

async fn likers(client: &Client, post: &str) -> Vec<String> {
    let (mut found, mut path) = (Vec::new(), format!("{post}/likes?limit=50"));
    loop {
        let page = client.get(&path).await.expect(StatusCode::OK);
        found.extend(
            likes(&page)
                .iter()
                .map(|like| text(&like["member"], "nickname").to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("{post}/likes?limit=50&before={next}"),
            None => return sorted(found),
        }
    }
}

#[track_caller]
fn likes(page: &Value) -> &Vec<Value> {
    page["likes"].as_array().unwrap_or_else(|| panic!("no likes in {page}"))
}

fn sorted(names: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
    names.sort();
    names
}
