use crate::client::{Answer, Client, Member, send, sign_up, text, unique, with};
use crate::rooms::Pair;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

const KEY: &str = "idempotency-key";

#[tokio::test]
async fn a_create_sent_again_with_its_key_gets_the_same_answer_and_makes_nothing() {
    let client = Client::new();
    let (member, key) = (client.new_member().await, unique("key"));
    let body = member.draft(&client, "once").await;
    let first = send(post(&client, &member, &body).header(KEY, &key)).await;
    let again = send(post(&client, &member, &body).header(KEY, &key)).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.text, again.text);
    for header in ["location", "content-type"] {
        assert_eq!(first.header(header), again.header(header), "{header}");
    }
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(posts_of(&client, &member).await, 1);

    // Without a key, each is another.
    send(post(&client, &member, &body)).await.expect(StatusCode::CREATED);
    send(post(&client, &member, &body)).await.expect(StatusCode::CREATED);
    assert_eq!(posts_of(&client, &member).await, 3);
}

#[tokio::test]
async fn a_sign_up_sent_again_with_its_key_is_not_refused_as_taken() {
    let client = Client::new();
    let (sign_up, key) = (sign_up(), unique("key"));
    let send_it = || send(keyed_sign_up(&client, &key, &sign_up));
    let first = send_it().await;
    assert_eq!(first.header("location"), format!("/api/members/{}", first.json()["id"]));
    let first = first.expect(StatusCode::CREATED);
    assert_eq!(send_it().await.expect(StatusCode::CREATED), first);
    let without_key = client.post("/api/members", &sign_up).await;
    without_key.expect_problem(StatusCode::CONFLICT, "TAKEN_EMAIL", &["email"]);
}

#[tokio::test]
async fn a_key_that_came_with_another_body_is_refused() {
    let client = Client::new();
    let (member, key) = (client.new_member().await, unique("key"));
    let (first, other) = (
        member.draft(&client, "first").await,
        member.draft(&client, "other").await,
    );
    send(post(&client, &member, &first).header(KEY, &key))
        .await
        .expect(StatusCode::CREATED);
    let answer = send(post(&client, &member, &other).header(KEY, &key)).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "REUSED_IDEMPOTENCY_KEY", &[]);
    assert_eq!(posts_of(&client, &member).await, 1);
}

#[tokio::test]
async fn of_30_simultaneous_creates_with_one_key_one_is_carried_out_and_all_get_its_answer() {
    let client = Client::new();
    let (member, key) = (client.new_member().await, unique("key"));
    let body = member.draft(&client, "once").await;
    let answers = at_once(30, |_| post(&client, &member, &body).header(KEY, &key)).await;
    let first = &answers[0].text;
    for answer in &answers {
        assert_eq!((answer.status, &answer.text), (201, first));
    }
    let carried_out = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_empty());
    assert_eq!(carried_out.count(), 1);
    assert_eq!(posts_of(&client, &member).await, 1);
}

#[tokio::test]
async fn of_20_simultaneous_creates_with_one_key_and_two_bodies_one_body_is_carried_out() {
    let client = Client::new();
    let (member, key) = (client.new_member().await, unique("key"));
    let bodies = [member.draft(&client, "one").await, member.draft(&client, "two").await];
    let answers = at_once(20, |number| {
        post(&client, &member, &bodies[number % 2]).header(KEY, &key)
    })
    .await;
    let (mut created, mut refused) = (Vec::new(), 0);
    for answer in answers {
        match answer.status {
            201 => created.push(answer.text),
            _ => {
                answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "REUSED_IDEMPOTENCY_KEY", &[]);
                refused += 1;
            }
        }
    }
    assert_eq!((created.len(), refused), (10, 10));
    assert!(created.windows(2).all(|pair| pair[0] == pair[1]), "{created:?}");
    assert_eq!(posts_of(&client, &member).await, 1);
}

#[tokio::test]
async fn of_20_simultaneous_comments_or_messages_with_one_key_one_is_made() {
    let pair = Pair::new().await;
    let post = pair.one.post(&pair.client, "a post").await;
    let (key, body) = (unique("key"), json!({ "text": "once" }));
    for (path, made) in [
        (format!("{post}/comments"), "comments"),
        (format!("{}/messages", pair.room), "messages"),
    ] {
        let create = |body: &Value| {
            let request = pair.client.request(Method::POST, &path).header(KEY, &key);
            request.bearer_auth(&pair.one.token).json(body)
        };
        let answers = at_once(20, |_| create(&body)).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.text), (201, &answers[0].text), "{path}");
            assert_eq!(answer.header("location"), answers[0].header("location"), "{path}");
        }
        let shown = pair.client.get_as(&pair.one.token, answers[0].header("location")).await;
        assert_eq!(shown.expect(StatusCode::OK), answers[0].json(), "{path}");
        let list = pair.client.get_as(&pair.one.token, &path).await.expect(StatusCode::OK);
        assert_eq!(list[made].as_array().map(Vec::len), Some(1), "{list}");
        let other = send(create(&json!({ "text": "other" }))).await;
        other.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "REUSED_IDEMPOTENCY_KEY", &[]);
    }
}

#[tokio::test]
async fn a_key_means_nothing_to_another_member_or_at_another_address() {
    let client = Client::new();
    let (member, other, key) = (client.new_member().await, client.new_member().await, unique("key"));
    let (mine, theirs) = (member.draft(&client, "mine").await, other.draft(&client, "mine").await);
    let mine = send(post(&client, &member, &mine).header(KEY, &key)).await;
    let theirs = send(post(&client, &other, &theirs).header(KEY, &key)).await;
    assert_ne!(
        mine.expect(StatusCode::CREATED)["id"],
        theirs.expect(StatusCode::CREATED)["id"]
    );
    let elsewhere = client.request(Method::POST, "/api/members").header(KEY, &key);
    send(elsewhere.json(&sign_up())).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn a_create_that_fails_leaves_its_key_free() {
    let client = Client::new();
    let (taken, key) = (client.new_member().await, unique("key"));
    let clash = with(&sign_up(), &[("nickname", json!(taken.nickname()))]);
    let wrong = with(&sign_up(), &[("phone", json!("call me"))]);
    let sign_up_with = |body: &Value| keyed_sign_up(&client, &key, body);
    let answers = at_once(10, |_| sign_up_with(&clash)).await;
    for answer in answers {
        answer.expect_problem(StatusCode::CONFLICT, "TAKEN_NICKNAME", &["nickname"]);
    }
    let answer = send(sign_up_with(&wrong)).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &["phone"]);
    send(sign_up_with(&sign_up())).await.expect(StatusCode::CREATED);
}

#[tokio::test]
async fn an_answer_is_given_again_to_nobody_without_a_token_and_not_after_withdrawing() {
    let client = Client::new();
    let (sign_up, key) = (sign_up(), unique("key"));
    let send_it = || send(keyed_sign_up(&client, &key, &sign_up));
    let first = send_it().await.expect(StatusCode::CREATED);
    let session = client
        .sign_in(text(&sign_up, "email"), text(&sign_up, "password"))
        .await;
    let session = session.expect(StatusCode::CREATED);
    let member = Member::new(sign_up.clone(), text(&session, "access_token"));
    let body = member.draft(&client, "gone soon").await;
    send(post(&client, &member, &body).header(KEY, &key))
        .await
        .expect(StatusCode::CREATED);
    let anonymous = client.request(Method::POST, "/api/posts").json(&body).header(KEY, &key);
    send(anonymous)
        .await
        .expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);

    let withdrawal = json!({ "password": sign_up["password"] });
    client
        .post_as(&member.token, "/api/me/withdrawal", &withdrawal)
        .await
        .expect_no_content();
    let ghost = send(post(&client, &member, &body).header(KEY, &key)).await;
    ghost.expect_problem(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", &[]);
    assert_ne!(send_it().await.expect(StatusCode::CREATED)["id"], first["id"]);
}

#[tokio::test]
async fn a_key_that_is_no_word_is_refused() {
    let client = Client::new();
    let member = client.new_member().await;
    let body = member.draft(&client, "never").await;
    for key in ["", "two words", &"k".repeat(256), "열쇠"] {
        let answer = send(post(&client, &member, &body).header(KEY, key.as_bytes())).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[KEY]);
    }
    let twice = post(&client, &member, &body).header(KEY, "one").header(KEY, "two");
    let answer = send(twice).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[KEY]);
    assert_eq!(posts_of(&client, &member).await, 0);
}

fn keyed_sign_up(client: &Client, key: &str, body: &Value) -> RequestBuilder {
    let request = client.request(Method::POST, "/api/members");
    request.header(KEY, key).json(body)
}

fn post(client: &Client, member: &Member, body: &Value) -> RequestBuilder {
    let request = client.request(Method::POST, "/api/posts");
    request.bearer_auth(&member.token).json(body)
}

async fn at_once(count: usize, request: impl Fn(usize) -> RequestBuilder) -> Vec<Answer> {
    let requests: Vec<_> = (0..count).map(|number| tokio::spawn(send(request(number)))).collect();
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.expect("ran"));
    }
    answers
}

async fn posts_of(client: &Client, member: &Member) -> u64 {
    let profile = client.get(&format!("/api/members/{}", member.nickname())).await;
    let profile = profile.expect(StatusCode::OK);
    profile["posts"]
        .as_u64()
        .unwrap_or_else(|| panic!("no count in {profile}"))
}
