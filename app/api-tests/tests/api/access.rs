//! Every route that needs or takes a token, with every token that is not its owner's. Which routes there are is told by
//! the document: one that is missing below fails.

use crate::client::{Answer, Client, Member, send};
use crate::document::{Token, operations};
use crate::files::{form, png};
use crate::forgery::forged;
use crate::rooms::open;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What Alice has, each by its address, and Bob, who is in no room of hers.
struct World {
    client: Client,
    alice: Member,
    bob: Member,
    post: String,
    comment: String,
    room: String,
    message: Value,
    media: String,
    has_bucket: bool,
    /// What Bob would post.
    bobs: Value,
}

/// A request for something of Alice's, and what is answered to Bob: a status and, of a problem, the code.
struct Case {
    route: &'static str,
    path: String,
    body: Value,
    to_bob: (u16, &'static str),
}

const SHOWN: (u16, &str) = (200, "");
const MADE: (u16, &str) = (201, "");
const DONE: (u16, &str) = (204, "");
const NO_ROOM: (u16, &str) = (404, "NOT_FOUND_ROOM");

impl World {
    async fn new() -> World {
        let client = Client::new();
        let members: [Member; 3] = client.new_members(3).await.try_into().ok().expect("three");
        let [alice, bob, carol] = members;
        let post = alice.post(&client, "mine").await;
        let text = json!({ "text": "mine" });
        let comment = client.post_as(&alice.token, &format!("{post}/comments"), &text).await;
        let room = open(&client, &alice, &carol).await.header("location").to_owned();
        let message = client.post_as(&alice.token, &format!("{room}/messages"), &text).await;
        let announced = json!({ "content_type": "image/png", "bytes": 1 });
        let media = client.post_as(&alice.token, "/api/media/uploads", &announced).await;
        World {
            bobs: bob.draft(&client, "Bob's").await,
            comment: comment.header("location").to_owned(),
            message: message.expect(StatusCode::CREATED),
            has_bucket: media.status == 201,
            // Without a bucket, nobody has any.
            media: Some(media.header("location"))
                .filter(|path| !path.is_empty())
                .unwrap_or("/api/media/1")
                .to_owned(),
            client,
            alice,
            bob,
            post,
            room,
        }
    }

    fn cases(&self) -> Vec<Case> {
        [self.of_members(), self.of_posts(), self.of_media(), self.of_rooms()]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Who is asked about is who has signed in: Bob sees and changes himself.
    fn of_members(&self) -> Vec<Case> {
        let guess = json!({ "password": "somebody's password" });
        let alice = format!("/api/members/{}", self.alice.nickname());
        vec![
            case("GET /api/me", "/api/me", Value::Null, SHOWN),
            case("PATCH /api/me", "/api/me", guess.clone(), (403, "WRONG_PASSWORD")),
            case(
                "POST /api/me/withdrawal",
                "/api/me/withdrawal",
                guess,
                (403, "WRONG_PASSWORD"),
            ),
            case("GET /api/feed", "/api/feed", Value::Null, SHOWN),
            case(
                "GET /api/members/{member}/posts",
                &format!("{alice}/posts"),
                Value::Null,
                SHOWN,
            ),
            case(
                "PUT /api/members/{member}/follow",
                &format!("{alice}/follow"),
                Value::Null,
                DONE,
            ),
            case(
                "DELETE /api/members/{member}/follow",
                &format!("{alice}/follow"),
                Value::Null,
                DONE,
            ),
        ]
    }

    fn of_posts(&self) -> Vec<Case> {
        let text = json!({ "text": "Bob's" });
        let (post, comment) = (&self.post, &self.comment);
        let (like, comments) = (format!("{post}/like"), format!("{post}/comments"));
        vec![
            case("GET /api/posts", "/api/posts", Value::Null, SHOWN),
            case("POST /api/posts", "/api/posts", self.bobs.clone(), MADE),
            case("GET /api/posts/{id}", post, Value::Null, SHOWN),
            case("PATCH /api/posts/{id}", post, text.clone(), (403, "NOT_YOUR_POST")),
            case("DELETE /api/posts/{id}", post, Value::Null, (403, "NOT_YOUR_POST")),
            case("PUT /api/posts/{id}/like", &like, Value::Null, DONE),
            case("DELETE /api/posts/{id}/like", &like, Value::Null, DONE),
            case("POST /api/posts/{id}/comments", &comments, text.clone(), MADE),
            case("PATCH /api/comments/{id}", comment, text, (403, "NOT_YOUR_COMMENT")),
            case(
                "DELETE /api/comments/{id}",
                comment,
                Value::Null,
                (403, "NOT_YOUR_COMMENT"),
            ),
        ]
    }

    fn of_media(&self) -> Vec<Case> {
        let with_bucket = |answer| if self.has_bucket { answer } else { (503, "NO_BUCKET") };
        let announced = json!({ "content_type": "image/png", "bytes": 1 });
        let complete = format!("{}/complete", self.media);
        let missing = (404, "NOT_FOUND_MEDIA");
        vec![
            case("POST /api/media", "/api/media", FORM, with_bucket(MADE)),
            case(
                "POST /api/media/uploads",
                "/api/media/uploads",
                announced,
                with_bucket(MADE),
            ),
            case("GET /api/media/{id}", &self.media, Value::Null, missing),
            case(
                "POST /api/media/{id}/complete",
                &complete,
                Value::Null,
                with_bucket(missing),
            ),
        ]
    }

    fn of_rooms(&self) -> Vec<Case> {
        let room = &self.room;
        let (messages, read) = (format!("{room}/messages"), format!("{room}/read"));
        let message = format!("{messages}/{}", self.message["id"]);
        let said = json!({ "text": "Bob's" });
        let seen = json!({ "message_id": self.message["id"] });
        let alice = json!({ "member_id": self.message["sender"]["id"] });
        vec![
            case("GET /api/rooms", "/api/rooms", Value::Null, SHOWN),
            case("POST /api/rooms", "/api/rooms", alice, MADE),
            case("GET /api/rooms/{id}", room, Value::Null, NO_ROOM),
            case("PUT /api/rooms/{id}/read", &read, seen, NO_ROOM),
            case("GET /api/rooms/{id}/messages", &messages, Value::Null, NO_ROOM),
            case("POST /api/rooms/{id}/messages", &messages, said, NO_ROOM),
            case(
                "GET /api/rooms/{id}/messages/{message_id}",
                &message,
                Value::Null,
                NO_ROOM,
            ),
        ]
    }

    async fn ask(&self, case: &Case, token: Option<&str>) -> Answer {
        let (method, _) = case.route.split_once(' ').expect("a method");
        let method: Method = method.parse().expect("a method");
        let request = self.client.request(method, &case.path);
        let request = match &case.body {
            Value::Null => request,
            body if *body == FORM => request
                .header("content-type", "multipart/form-data; boundary=x")
                .body(form(&png(5, 3))),
            body => request.json(body),
        };
        send(token.iter().fold(request, |request, token| request.bearer_auth(token))).await
    }

    /// All that Bob and nobody might have spoiled.
    async fn of_alice(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/api/me",
            &self.post,
            &self.comment,
            &self.room,
            &format!("{}/messages", self.room),
        ] {
            let mut answer = self.client.get_as(&self.alice.token, path).await.expect(StatusCode::OK);
            // Bob may comment.
            answer.as_object_mut().expect("an object").remove("comment_count");
            seen.push(answer);
        }
        seen
    }
}

/// Stands for a form with a photo.
const FORM: Value = Value::Bool(true);

fn case(route: &'static str, path: &str, body: Value, to_bob: (u16, &'static str)) -> Case {
    Case {
        route,
        path: path.to_owned(),
        body,
        to_bob,
    }
}

/// Says what is wrong about an answer, if anything.
fn wrong(case: &Case, who: &str, answer: &Answer, expected: (u16, &str)) -> Option<String> {
    let code = match answer.status {
        400.. => answer.json()["code"].as_str().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let is_right = (answer.status, code.as_str()) == expected;
    (!is_right).then(|| {
        format!(
            "{} to {who}: {} {code}, expected {expected:?}",
            case.route, answer.status
        )
    })
}

#[tokio::test]
async fn every_route_that_takes_a_token_is_tried_with_wrong_ones() {
    let documented = operations(&Client::new()).await;
    let secured = documented.iter().filter(|(_, token)| *token != Token::Ignored);
    let secured: BTreeSet<&str> = secured.map(|(route, _)| route.as_str()).collect();
    let world = World::new().await;
    let cases = world.cases();
    let tried: BTreeSet<&str> = cases.iter().map(|case| case.route).collect();
    let untried: Vec<_> = secured.difference(&tried).collect();
    let gone: Vec<_> = tried.difference(&secured).collect();
    assert!(untried.is_empty(), "not in the table of access.rs: {untried:?}");
    assert!(
        gone.is_empty(),
        "in the table of access.rs, but not in the document: {gone:?}"
    );
}

#[tokio::test]
async fn no_route_lets_anybody_do_what_is_another_members() {
    let world = World::new().await;
    let (before, documented) = (world.of_alice().await, operations(&world.client).await);
    let mut wrongs = Vec::new();
    for case in world.cases() {
        let is_needed = documented.contains(&(case.route.to_owned(), Token::Needed));
        let to_nobody = if is_needed { (401, "SIGN_IN_NEEDED") } else { SHOWN };
        wrongs.extend(wrong(&case, "nobody", &world.ask(&case, None).await, to_nobody));
        for (what, token) in forged(&world.alice.token) {
            let answer = world.ask(&case, Some(&token)).await;
            wrongs.extend(wrong(&case, what, &answer, (401, "INVALID_TOKEN")));
        }
        let answer = world.ask(&case, Some(&world.bob.token)).await;
        wrongs.extend(wrong(&case, "another member", &answer, case.to_bob));
    }
    assert!(
        wrongs.is_empty(),
        "{} wrong answers:\n{}",
        wrongs.len(),
        wrongs.join("\n")
    );
    assert_eq!(world.of_alice().await, before, "something of Alice's has changed");
}

#[tokio::test]
async fn a_route_that_is_not_said_to_need_a_token_needs_none() {
    let client = Client::new();
    for (route, token) in operations(&client).await {
        let (method, path) = route.split_once(' ').expect("a method");
        let path: Vec<&str> = path
            .split('/')
            .map(|part| if part.starts_with('{') { "1" } else { part })
            .collect();
        let request = client.request(method.parse().expect("a method"), &path.join("/"));
        let answer = send(request).await;
        let is_refused = answer.status == 401 && answer.json()["code"] == "SIGN_IN_NEEDED";
        assert_eq!(is_refused, token == Token::Needed, "{route}: {}", answer.status);
    }
}
