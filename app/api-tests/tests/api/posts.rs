use crate::client::{Answer, Client, send, text, unique};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_post_is_made_found_at_its_location_and_first_in_the_list() {
    let client = Client::new();
    let member = client.new_member().await;
    let words = format!("첫 글 🍣👩‍👩‍👧‍👦\n둘째 줄 {}", unique(""));
    let draft = member.draft(&client, &words).await;
    let answer = client.post_as(&member.token, "/api/posts", &draft).await;
    let location = answer.header("location").to_owned();
    let post = answer.expect(StatusCode::CREATED);
    assert_eq!(post["text"], words);
    assert_eq!(post["author"]["nickname"], member.nickname());

    assert_eq!(client.get(&location).await.expect(StatusCode::OK), post);
    let newest = client.get("/api/posts?limit=50").await.expect(StatusCode::OK);
    assert!(posts(&newest).contains(&post), "the new post is not in {newest}");
}

#[tokio::test]
async fn times_are_told_in_seoul_time() {
    let client = Client::new();
    let member = client.new_member().await;
    let path = member.post(&client, "몇 시?").await;
    let post = client.get(&path).await;
    let seconds_now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    };
    let post = post.expect(StatusCode::OK);
    let written = text(&post, "created_at");
    assert!(written.ends_with("+09:00"), "{written}");

    // The time of day in Seoul, nine hours ahead, is the one in the text. A minute is allowed for a slow machine, and
    // a few seconds for its clock.
    let number = |range: std::ops::Range<usize>| written[range].parse::<u64>().expect("digits");
    let told = number(11..13) * 3600 + number(14..16) * 60 + number(17..19);
    let seconds_late = (seconds_now() + 9 * 3600 + 5 + 86_400 - told) % 86_400;
    assert!(seconds_late < 65, "{written} is {seconds_late} s ago");
}

#[tokio::test]
async fn a_text_of_no_or_too_many_characters_is_refused() {
    let client = Client::new();
    let member = client.new_member().await;
    let longest = "가".repeat(2_200);
    for bad in [
        String::new(),
        " \n\t ".to_owned(),
        format!("{longest}가"),
        "nul\0byte".to_owned(),
    ] {
        let draft = member.draft(&client, &bad).await;
        let answer = client.post_as(&member.token, "/api/posts", &draft).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["text"]);
    }
    let path = member.post(&client, &longest).await;
    assert_eq!(client.get(&path).await.expect(StatusCode::OK)["text"], longest);
}

#[tokio::test]
async fn a_post_that_is_not_there_is_said_to_be_missing() {
    let client = Client::new();
    for id in [
        "0",
        "18446744073709551615",
        "99999999999999999999999",
        "-1",
        "abc",
        "1%27%20OR%201=1",
        "%00",
    ] {
        client
            .get(&format!("/api/posts/{id}"))
            .await
            .expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
    }
}

#[tokio::test]
async fn an_update_changes_the_text_and_moves_the_updated_time() {
    let client = Client::new();
    let author = client.new_member().await;
    let path = author.post(&client, "first words").await;
    let before = client.get(&path).await.expect(StatusCode::OK);
    assert_eq!(before["updated_at"], before["created_at"]);

    // The same words again are an update too.
    for words in ["고친 글 🍣", "고친 글 🍣"] {
        let last = client.get(&path).await.expect(StatusCode::OK);
        let updated = client.patch_as(&author.token, &path, &json!({ "text": words })).await;
        let updated = updated.expect(StatusCode::OK);
        assert_eq!(client.get(&path).await.expect(StatusCode::OK), updated);
        assert_eq!((&updated["text"], &updated["id"]), (&json!(words), &before["id"]));
        assert_eq!(updated["created_at"], before["created_at"]);
        assert!(
            text(&updated, "updated_at") > text(&last, "updated_at"),
            "{updated} after {last}"
        );
    }
}

#[tokio::test]
async fn an_update_that_breaks_a_rule_changes_nothing() {
    let client = Client::new();
    let author = client.new_member().await;
    let path = author.post(&client, "first words").await;
    let before = client.get(&path).await.expect(StatusCode::OK);
    for (body, field) in [
        (json!({ "text": "" }), "text"),
        (json!({ "text": "가".repeat(2_201) }), "text"),
        (json!({ "text": "nul\0byte" }), "text"),
        (json!({ "text": ["words"] }), "text"),
        (json!({ "text": "words", "author": { "id": 1 } }), "author"),
        (json!({ "text": "words", "id": 1 }), "id"),
    ] {
        let answer = client.patch_as(&author.token, &path, &body).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
    assert_eq!(client.get(&path).await.expect(StatusCode::OK), before);
}

#[tokio::test]
async fn a_deleted_post_is_gone_from_its_address_and_from_the_list() {
    let client = Client::new();
    let author = client.new_member().await;
    let path = author.post(&client, "soon gone").await;
    let post = client.get(&path).await.expect(StatusCode::OK);
    client.delete_as(&author.token, &path).await.expect_no_content();

    let not_found = |answer: Answer| answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_POST", &[]);
    not_found(client.get(&path).await);
    not_found(client.delete_as(&author.token, &path).await);
    not_found(client.patch_as(&author.token, &path, &json!({ "text": "back" })).await);
    let newest = client.get("/api/posts?limit=50").await.expect(StatusCode::OK);
    assert!(!posts(&newest).contains(&post), "a deleted post is in {newest}");
}

#[tokio::test]
async fn nobody_but_its_author_changes_or_deletes_a_post() {
    let client = Client::new();
    let (author, other) = (client.new_member().await, client.new_member().await);
    let path = author.post(&client, "mine").await;
    let before = client.get(&path).await.expect(StatusCode::OK);
    let body = json!({ "text": "yours" });

    let forbidden = |answer: Answer| answer.expect_problem(StatusCode::FORBIDDEN, "NOT_YOUR_POST", &[]);
    forbidden(client.patch_as(&other.token, &path, &body).await);
    forbidden(client.delete_as(&other.token, &path).await);
    for method in [Method::PATCH, Method::DELETE] {
        let answer = send(client.request(method, &path).json(&body)).await;
        answer.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
    assert_eq!(client.get(&path).await.expect(StatusCode::OK), before);
}

#[tokio::test]
async fn a_list_is_for_everyone_but_not_for_a_wrong_token() {
    let client = Client::new();
    let member = client.new_member().await;
    let path = member.post(&client, "for everyone").await;
    for path in ["/api/posts", path.as_str()] {
        client.get(path).await.expect(StatusCode::OK);
        client.get_as(&member.token, path).await.expect(StatusCode::OK);
        let forged = client.get_as("nonsense", path).await;
        forged.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
    }
}

#[tokio::test]
async fn paging_shows_every_post_once_newest_first_while_others_are_being_made() {
    let client = Client::new();
    let member = client.new_member().await;
    let mut made = Vec::new();
    for number in 0..7 {
        let path = member.post(&client, &format!("post {number}")).await;
        made.push(id(&client.get(&path).await.expect(StatusCode::OK)));
    }
    // What is older than the first of them was there before: the walk ends on reaching it.
    let oldest = made[0];
    let (mut seen, mut path) = (Vec::new(), "/api/posts?limit=3".to_owned());
    loop {
        let page = client.get(&path).await.expect(StatusCode::OK);
        seen.extend(posts(&page).iter().map(id));
        if seen.last().is_none_or(|last| *last <= oldest) {
            break;
        }
        member.post(&client, "meanwhile").await;
        path = format!("/api/posts?limit=3&before={}", text(&page, "next"));
    }
    assert!(
        seen.windows(2).all(|pair| pair[0] > pair[1]),
        "not newest first, or twice: {seen:?}"
    );
    assert!(
        made.iter().all(|post| seen.contains(post)),
        "{made:?} are not all in {seen:?}"
    );
}

#[tokio::test]
async fn a_page_holds_at_most_what_was_asked_for_and_the_last_has_no_next() {
    let client = Client::new();
    let member = client.new_member().await;
    member.post(&client, "one").await;
    member.post(&client, "two").await;
    let page = client.get("/api/posts?limit=1").await.expect(StatusCode::OK);
    assert_eq!(posts(&page).len(), 1);
    assert!(page["next"].is_string(), "{page}");

    // The cursor before the very first post: eight zero bytes.
    let end = client.get("/api/posts?before=AAAAAAAAAAA").await.expect(StatusCode::OK);
    assert_eq!(end, json!({ "posts": [], "next": null }));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_refused_by_field() {
    let client = Client::new();
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=", "limit"),
        ("before=1", "before"),
        ("before=%27%20OR%201=1", "before"),
        ("before=%00", "before"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ] {
        let answer = client.get(&format!("/api/posts?{query}")).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}

#[track_caller]
fn posts(page: &Value) -> &Vec<Value> {
    page["posts"].as_array().unwrap_or_else(|| panic!("no posts in {page}"))
}

#[track_caller]
fn id(post: &Value) -> u64 {
    post["id"].as_u64().unwrap_or_else(|| panic!("no id in {post}"))
}
