use crate::client::{Client, Member, send, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_comment_is_made_found_at_its_location_listed_and_counted() {
    let client = Client::new();
    let (author, reader) = (client.new_member().await, client.new_member().await);
    let post = author.post(&client, "comment on me").await;
    let words = "댓글 🍣👩‍👩‍👧‍👦\n둘째 줄";
    let answer = client
        .post_as(&reader.token, &format!("{post}/comments"), &json!({ "text": words }))
        .await;
    let location = answer.header("location").to_owned();
    let comment = answer.expect(StatusCode::CREATED);
    assert_eq!((&comment["text"], &comment["parent_id"]), (&json!(words), &Value::Null));
    assert_eq!(comment["author"]["nickname"], reader.nickname());
    assert!(post.ends_with(&format!("/{}", comment["post_id"])), "{comment}");

    assert_eq!(client.get(&location).await.expect(StatusCode::OK), comment);
    let list = client.get(&format!("{post}/comments")).await.expect(StatusCode::OK);
    assert_eq!(list, json!({ "comments": [comment], "next": null }));
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["comment_count"], 1);
}

#[tokio::test]
async fn a_reply_names_its_parent_and_is_listed_under_it_alone() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let parent = comment(&client, &member, &post, None).await;
    let reply = comment(&client, &member, &post, Some(&parent)).await;
    let deeper = comment(&client, &member, &post, Some(&reply)).await;
    assert_eq!(
        (&reply["parent_id"], &deeper["parent_id"]),
        (&parent["id"], &reply["id"])
    );

    let top = client.get(&format!("{post}/comments")).await.expect(StatusCode::OK);
    assert_eq!(
        (ids(&top), &top["comments"][0]["reply_count"]),
        (vec![id(&parent)], &json!(1))
    );
    let replies = client
        .get(&format!("{}/replies", path(&parent)))
        .await
        .expect(StatusCode::OK);
    assert_eq!(ids(&replies), [id(&reply)]);
    let none = client
        .get(&format!("{}/replies", path(&deeper)))
        .await
        .expect(StatusCode::OK);
    assert_eq!(none, json!({ "comments": [], "next": null }));
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["comment_count"], 3);
}

#[tokio::test]
async fn comments_and_replies_are_listed_newest_first_a_page_at_a_time() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let parent = comment(&client, &member, &post, None).await;
    let (mut comments, mut replies) = (vec![id(&parent)], Vec::new());
    for _ in 0..4 {
        comments.push(id(&comment(&client, &member, &post, None).await));
        replies.push(id(&comment(&client, &member, &post, Some(&parent)).await));
    }
    for (list, made) in [
        (format!("{post}/comments"), comments),
        (format!("{}/replies", path(&parent)), replies),
    ] {
        let (mut seen, mut next) = (Vec::new(), format!("{list}?limit=2"));
        for _ in 0..made.len().div_ceil(2) {
            let page = client.get(&next).await.expect(StatusCode::OK);
            seen.extend(ids(&page));
            next = format!("{list}?limit=2&before={}", page["next"].as_str().unwrap_or(""));
        }
        assert!(made.iter().rev().eq(&seen), "{made:?}, newest first, is not {seen:?}");
    }
}

#[tokio::test]
async fn a_reply_answers_a_comment_of_the_same_post_only() {
    let client = Client::new();
    let member = client.new_member().await;
    let (post, other_post) = (member.post(&client, "one").await, member.post(&client, "other").await);
    let elsewhere = comment(&client, &member, &other_post, None).await;
    for parent in [
        elsewhere["id"].clone(),
        json!(0),
        json!(u64::MAX),
        json!("1"),
        json!(-1),
        json!(1.5),
        json!([1]),
    ] {
        let body = json!({ "text": "reply", "parent_id": parent });
        let answer = client.post_as(&member.token, &format!("{post}/comments"), &body).await;
        assert_eq!(answer.status, 422, "{parent}: {}", answer.text);
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["parent_id"]);
    }
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["comment_count"], 0);
}

#[tokio::test]
async fn an_update_changes_the_text_and_moves_the_updated_time() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let before = comment(&client, &member, &post, None).await;
    assert_eq!(before["updated_at"], before["created_at"]);
    let updated = client
        .patch_as(&member.token, &path(&before), &json!({ "text": "고친 댓글" }))
        .await;
    let updated = updated.expect(StatusCode::OK);
    assert_eq!(
        (&updated["text"], &updated["created_at"]),
        (&json!("고친 댓글"), &before["created_at"])
    );
    assert!(text(&updated, "updated_at") > text(&before, "updated_at"), "{updated}");
    assert_eq!(client.get(&path(&before)).await.expect(StatusCode::OK), updated);
}

#[tokio::test]
async fn a_deleted_comment_without_replies_is_gone() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let gone = comment(&client, &member, &post, None).await;
    client.delete_as(&member.token, &path(&gone)).await.expect_no_content();
    for answer in [
        client.get(&path(&gone)).await,
        client.get(&format!("{}/replies", path(&gone))).await,
        client.delete_as(&member.token, &path(&gone)).await,
        client
            .patch_as(&member.token, &path(&gone), &json!({ "text": "back" }))
            .await,
    ] {
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
    }
    let list = client.get(&format!("{post}/comments")).await.expect(StatusCode::OK);
    assert_eq!(list, json!({ "comments": [], "next": null }));
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["comment_count"], 0);
}

#[tokio::test]
async fn a_deleted_comment_with_replies_leaves_a_tombstone_that_tells_nothing_and_takes_nothing() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let parent = comment(&client, &member, &post, None).await;
    let reply = comment(&client, &member, &post, Some(&parent)).await;
    client
        .delete_as(&member.token, &path(&parent))
        .await
        .expect_no_content();

    let tombstone = client.get(&path(&parent)).await.expect(StatusCode::OK);
    assert_eq!(
        (&tombstone["text"], &tombstone["author"]),
        (&Value::Null, &Value::Null),
        "{tombstone}"
    );
    assert_eq!(tombstone["reply_count"], 1);
    let list = client.get(&format!("{post}/comments")).await.expect(StatusCode::OK);
    assert_eq!(list["comments"], json!([tombstone]));
    let replies = client
        .get(&format!("{}/replies", path(&parent)))
        .await
        .expect(StatusCode::OK);
    assert_eq!(ids(&replies), [id(&reply)]);
    assert_eq!(client.get(&post).await.expect(StatusCode::OK)["comment_count"], 1);

    for answer in [
        client
            .patch_as(&member.token, &path(&parent), &json!({ "text": "back" }))
            .await,
        client.delete_as(&member.token, &path(&parent)).await,
    ] {
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
    }
    let body = json!({ "text": "to nobody", "parent_id": parent["id"] });
    let answer = client.post_as(&member.token, &format!("{post}/comments"), &body).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["parent_id"]);
}

#[tokio::test]
async fn no_reply_is_lost_when_its_parent_is_deleted_at_the_same_time() {
    let client = Client::new();
    let (author, other) = (client.new_member().await, client.new_member().await);
    let post = author.post(&client, "comment on me").await;
    for _ in 0..10 {
        let parent = comment(&client, &author, &post, None).await;
        let mut requests = JoinSet::new();
        for _ in 0..5 {
            let body = json!({ "text": "quick", "parent_id": parent["id"] });
            let request = client.request(Method::POST, &format!("{post}/comments")).json(&body);
            requests.spawn(send(request.bearer_auth(&other.token)));
        }
        let delete = client
            .request(Method::DELETE, &path(&parent))
            .bearer_auth(&author.token);
        let (deleted, replies) = tokio::join!(send(delete), requests.join_all());
        deleted.expect_no_content();

        let mut made = Vec::new();
        for reply in replies {
            match reply.status {
                201 => made.push(id(&reply.json())),
                _ => reply.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["parent_id"]),
            }
        }
        made.sort_by(|a, b| b.cmp(a));
        let list = client.get(&format!("{}/replies", path(&parent))).await;
        if made.is_empty() {
            list.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
        } else {
            assert_eq!(ids(&list.expect(StatusCode::OK)), made);
        }
    }
}

#[tokio::test]
async fn with_a_post_go_its_comments_however_deep_the_replies() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let mut thread = vec![comment(&client, &member, &post, None).await];
    for _ in 0..20 {
        let reply = comment(&client, &member, &post, thread.last()).await;
        thread.push(reply);
    }
    client
        .delete_as(&member.token, &path(&thread[3]))
        .await
        .expect_no_content();
    client.delete_as(&member.token, &post).await.expect_no_content();
    for comment in &thread {
        let answer = client.get(&path(comment)).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
    }
    let answer = client.get(&format!("{post}/comments")).await;
    answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
}

#[tokio::test]
async fn of_a_member_who_withdraws_the_likes_go_and_the_comments_stay_as_tombstones() {
    let client = Client::new();
    let (leaver, stayer) = (client.new_member().await, client.new_member().await);
    let (own_post, post) = (leaver.post(&client, "mine").await, stayer.post(&client, "yours").await);
    let on_own = comment(&client, &leaver, &own_post, None).await;
    comment(&client, &stayer, &own_post, Some(&on_own)).await;
    let left = comment(&client, &leaver, &post, None).await;
    let reply = comment(&client, &stayer, &post, Some(&left)).await;
    for post in [&own_post, &post] {
        client
            .put_as(&leaver.token, &format!("{post}/like"))
            .await
            .expect_no_content();
    }
    let body = json!({ "password": leaver.sign_up["password"] });
    client
        .post_as(&leaver.token, "/api/me/withdrawal", &body)
        .await
        .expect_no_content();

    let seen = client.get(&post).await.expect(StatusCode::OK);
    assert_eq!((&seen["like_count"], &seen["comment_count"]), (&json!(0), &json!(1)));
    let tombstone = client.get(&path(&left)).await.expect(StatusCode::OK);
    assert_eq!((&tombstone["text"], &tombstone["author"]), (&Value::Null, &Value::Null));
    assert_eq!(
        client.get(&path(&reply)).await.expect(StatusCode::OK)["text"],
        reply["text"]
    );
    let gone = client.get(&path(&on_own)).await;
    gone.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
}

#[tokio::test]
async fn nobody_but_its_author_changes_or_deletes_a_comment() {
    let client = Client::new();
    let (author, other) = (client.new_member().await, client.new_member().await);
    // Not even the author of the post.
    let post = other.post(&client, "comment on me").await;
    let mine = comment(&client, &author, &post, None).await;
    let body = json!({ "text": "yours" });
    for answer in [
        client.patch_as(&other.token, &path(&mine), &body).await,
        client.delete_as(&other.token, &path(&mine)).await,
    ] {
        answer.expect_problem(StatusCode::FORBIDDEN, "NOT_YOUR_COMMENT", &[]);
    }
    for (method, path) in [
        (Method::PATCH, path(&mine)),
        (Method::DELETE, path(&mine)),
        (Method::POST, format!("{post}/comments")),
    ] {
        let answer = send(client.request(method, &path).json(&body)).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
    assert_eq!(client.get(&path(&mine)).await.expect(StatusCode::OK), mine);
}

#[tokio::test]
async fn a_text_that_breaks_its_rule_is_refused_and_its_field_named() {
    let client = Client::new();
    let member = client.new_member().await;
    let post = member.post(&client, "comment on me").await;
    let mine = comment(&client, &member, &post, None).await;
    for (body, field) in [
        (json!({ "text": "" }), "text"),
        (json!({ "text": " \n" }), "text"),
        (json!({ "text": "가".repeat(2_201) }), "text"),
        (json!({ "text": "nul\0byte" }), "text"),
        (json!({ "text": 5 }), "text"),
        (json!({}), "text"),
        (json!({ "text": "words", "author": 1 }), "author"),
    ] {
        for answer in [
            client.post_as(&member.token, &format!("{post}/comments"), &body).await,
            client.patch_as(&member.token, &path(&mine), &body).await,
        ] {
            answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
        }
    }
    // A comment stays where it was made.
    let moved = client
        .patch_as(
            &member.token,
            &path(&mine),
            &json!({ "text": "words", "parent_id": null }),
        )
        .await;
    moved.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["parent_id"]);
    assert_eq!(client.get(&path(&mine)).await.expect(StatusCode::OK), mine);
}

#[tokio::test]
async fn what_is_not_there_has_no_comments_and_takes_none() {
    let client = Client::new();
    let member = client.new_member().await;
    for post in [
        "/api/posts/0",
        "/api/posts/18446744073709551615",
        "/api/posts/abc",
        "/api/posts/%00",
    ] {
        for body in [json!({ "text": "hello" }), json!({ "text": "hello", "parent_id": 1 })] {
            let answer = client.post_as(&member.token, &format!("{post}/comments"), &body).await;
            answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
        }
        let answer = client.get(&format!("{post}/comments")).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
    }
    for comment in [
        "/api/comments/0",
        "/api/comments/abc",
        "/api/comments/0/replies",
        "/api/comments/%00/replies",
    ] {
        client
            .get(comment)
            .await
            .expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_COMMENT", &[]);
    }
}

async fn comment(client: &Client, author: &Member, post: &str, parent: Option<&Value>) -> Value {
    let parent = parent.map_or(&Value::Null, |parent| &parent["id"]);
    let body = json!({ "text": "some words", "parent_id": parent });
    client
        .post_as(&author.token, &format!("{post}/comments"), &body)
        .await
        .expect(StatusCode::CREATED)
}

fn path(comment: &Value) -> String {
    format!("/api/comments/{}", id(comment))
}

#[track_caller]
fn id(comment: &Value) -> u64 {
    comment["id"].as_u64().unwrap_or_else(|| panic!("no id in {comment}"))
}

#[track_caller]
fn ids(page: &Value) -> Vec<u64> {
    let comments = page["comments"]
        .as_array()
        .unwrap_or_else(|| panic!("no comments in {page}"));
    comments.iter().map(id).collect()
}
