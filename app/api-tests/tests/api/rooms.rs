use crate::client::{Answer, Client, Member, send, text};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Two members with a room.
pub struct Pair {
    pub client: Client,
    pub one: Member,
    pub other: Member,
    /// Its address.
    pub room: String,
}

impl Pair {
    pub async fn new() -> Pair {
        let client = Client::new();
        let (one, other) = (client.new_member().await, client.new_member().await);
        let room = open(&client, &one, &other).await;
        let room = room.header("location").to_owned();
        Pair {
            client,
            one,
            other,
            room,
        }
    }

    pub async fn say(&self, sender: &Member, words: &str) -> Value {
        let message = self.send(sender, &json!({ "text": words })).await;
        message.expect(StatusCode::CREATED)
    }

    pub async fn send(&self, sender: &Member, body: &Value) -> Answer {
        let path = format!("{}/messages", self.room);
        self.client.post_as(&sender.token, &path, body).await
    }

    async fn seen_by(&self, member: &Member) -> Value {
        let room = self.client.get_as(&member.token, &self.room).await;
        room.expect(StatusCode::OK)
    }

    async fn read(&self, member: &Member, message: &Value) -> Answer {
        let path = format!("{}/read", self.room);
        let request = self.client.request(Method::PUT, &path).bearer_auth(&member.token);
        send(request.json(&json!({ "message_id": message["id"] }))).await
    }
}

pub async fn id_of(client: &Client, member: &Member) -> u64 {
    let me = client.get_as(&member.token, "/api/me").await.expect(StatusCode::OK);
    me["id"].as_u64().unwrap_or_else(|| panic!("no id in {me}"))
}

pub async fn open(client: &Client, one: &Member, other: &Member) -> Answer {
    let body = json!({ "member_id": id_of(client, other).await });
    client.post_as(&one.token, "/api/rooms", &body).await
}

async fn rooms_of(client: &Client, member: &Member, query: &str) -> Value {
    let rooms = client.get_as(&member.token, &format!("/api/rooms{query}")).await;
    rooms.expect(StatusCode::OK)
}

#[tokio::test]
async fn a_pair_has_one_room_whoever_opens_it() {
    let client = Client::new();
    let (one, other) = (client.new_member().await, client.new_member().await);
    let opened = open(&client, &one, &other).await;
    let location = opened.header("location").to_owned();
    let room = opened.expect(StatusCode::CREATED);
    assert_eq!(location, format!("/api/rooms/{}", room["id"]));
    assert_eq!(room["peer"]["nickname"], other.nickname());
    assert_eq!((&room["unread"], &room["last_message"]), (&json!(0), &Value::Null));

    let again = open(&client, &other, &one).await;
    assert_eq!(again.header("location"), location);
    let again = again.expect(StatusCode::OK);
    assert_eq!(
        (&again["id"], text(&again["peer"], "nickname")),
        (&room["id"], one.nickname())
    );
}

#[tokio::test]
async fn a_room_opened_20_times_at_once_from_both_sides_is_one() {
    let client = Client::new();
    let (one, other) = (client.new_member().await, client.new_member().await);
    let (one_id, other_id) = (id_of(&client, &one).await, id_of(&client, &other).await);
    let attempts = (0..20).map(|attempt| {
        let (client, token, peer) = match attempt % 2 {
            0 => (client.clone(), one.token.clone(), other_id),
            _ => (client.clone(), other.token.clone(), one_id),
        };
        tokio::spawn(async move {
            client
                .post_as(&token, "/api/rooms", &json!({ "member_id": peer }))
                .await
        })
    });
    let (mut ids, mut created) = (BTreeSet::new(), 0);
    for attempt in attempts.collect::<Vec<_>>() {
        let answer = attempt.await.expect("an answer");
        assert!([200, 201].contains(&answer.status), "{}", answer.text);
        created += usize::from(answer.status == 201);
        ids.insert(answer.json()["id"].as_u64());
    }
    assert_eq!((ids.len(), created), (1, 1), "{ids:?}");
}

#[tokio::test]
async fn nobody_opens_a_room_with_the_own_self_or_with_nobody() {
    let client = Client::new();
    let member = client.new_member().await;
    let id = id_of(&client, &member).await;
    for (body, status, code, fields) in [
        (json!({ "member_id": id }), 422, "INVALID_FIELDS", vec!["member_id"]),
        (json!({ "member_id": u64::MAX }), 404, "NOT_FOUND_MEMBER", vec![]),
        (json!({ "member_id": 0 }), 404, "NOT_FOUND_MEMBER", vec![]),
        (json!({ "member_id": -1 }), 422, "INVALID_FIELDS", vec!["member_id"]),
        (json!({ "member_id": "1" }), 422, "INVALID_FIELDS", vec!["member_id"]),
        (json!({}), 422, "INVALID_FIELDS", vec!["member_id"]),
        (
            json!({ "member_id": 1, "name": "x" }),
            422,
            "INVALID_FIELDS",
            vec!["name"],
        ),
    ] {
        let answer = client.post_as(&member.token, "/api/rooms", &body).await;
        answer.expect_problem(StatusCode::from_u16(status).expect("a status"), code, &fields);
    }
}

#[tokio::test]
async fn rooms_are_listed_by_their_newest_message_with_what_is_unread() {
    let client = Client::new();
    let member = client.new_member().await;
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let peer = client.new_member().await;
        let room = open(&client, &member, &peer).await.header("location").to_owned();
        rooms.push((room, peer));
    }
    // A room is listed once something was said in it.
    assert_eq!(
        rooms_of(&client, &member, "").await,
        json!({ "rooms": [], "next": null })
    );
    for turn in [0, 1, 2, 0, 0] {
        let (room, peer) = &rooms[turn];
        let body = json!({ "text": format!("from {turn}") });
        let sent = client.post_as(&peer.token, &format!("{room}/messages"), &body).await;
        sent.expect(StatusCode::CREATED);
    }
    let listed = rooms_of(&client, &member, "").await;
    let seen: Vec<(&str, u64, &str)> = listed["rooms"]
        .as_array()
        .expect("rooms")
        .iter()
        .map(|room| {
            let unread = room["unread"].as_u64().expect("a count");
            (
                text(&room["peer"], "nickname"),
                unread,
                text(&room["last_message"], "text"),
            )
        })
        .collect();
    let nickname = |turn: usize| rooms[turn].1.nickname();
    assert_eq!(
        seen,
        [
            (nickname(0), 3, "from 0"),
            (nickname(2), 1, "from 2"),
            (nickname(1), 1, "from 1")
        ]
    );
    let first = rooms_of(&client, &member, "?limit=2").await;
    assert_eq!(first["rooms"].as_array().map(Vec::len), Some(2));
    let rest = rooms_of(&client, &member, &format!("?limit=2&before={}", text(&first, "next"))).await;
    assert_eq!((&rest["rooms"][0], &rest["next"]), (&listed["rooms"][2], &Value::Null));
}

#[tokio::test]
async fn what_was_read_is_not_unread_and_one_s_own_words_never_are() {
    let pair = Pair::new().await;
    let mut messages = Vec::new();
    for turn in 0..4 {
        messages.push(pair.say(&pair.one, &format!("{turn}")).await);
    }
    pair.say(&pair.other, "an answer").await;
    assert_eq!(pair.seen_by(&pair.one).await["unread"], 1);
    for (read, unread) in [(1, 2), (0, 2), (3, 0)] {
        let answer = pair.read(&pair.other, &messages[read]).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        assert_eq!(pair.seen_by(&pair.other).await["unread"], unread, "after {read}");
    }
    let missing = pair.read(&pair.other, &json!({ "id": u64::MAX })).await;
    missing.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_MESSAGE", &[]);
}

#[tokio::test]
async fn a_room_is_open_to_its_two_members_only() {
    let pair = Pair::new().await;
    let message = pair.say(&pair.one, "a secret").await;
    let stranger = pair.client.new_member().await;
    let message_path = format!("{}/messages/{}", pair.room, message["id"]);
    let messages_path = format!("{}/messages", pair.room);
    for path in [&pair.room, &messages_path, &message_path] {
        let refused = pair.client.get_as(&stranger.token, path).await;
        refused.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", &[]);
        let unknown = pair.client.get(path).await;
        unknown.expect_problem(StatusCode::UNAUTHORIZED, "SIGN_IN_NEEDED", &[]);
    }
    let sent = pair.send(&stranger, &json!({ "text": "hello" })).await;
    sent.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", &[]);
    let read = pair.read(&stranger, &message).await;
    read.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", &[]);
    for nowhere in [
        "/api/rooms/0",
        "/api/rooms/x",
        "/api/rooms/99999999999999999999",
        "/api/rooms/0/messages",
    ] {
        let answer = pair.client.get_as(&pair.one.token, nowhere).await;
        answer.expect_problem(StatusCode::NOT_FOUND, "NOT_FOUND_ROOM", &[]);
    }
}
