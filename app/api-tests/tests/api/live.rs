//! Live delivery, over a real WebSocket.

use crate::client::{Client, Member, text};
use crate::rooms::Pair;
use futures_util::{SinkExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message as Frame, client::IntoClientRequest as _};

const TIMEOUT: Duration = Duration::from_secs(10);

struct Live(WebSocketStream<TcpStream>);

impl Live {
    async fn connect() -> Live {
        let base_url = std::env::var("BASE_URL").unwrap_or_default();
        let address = base_url.trim_start_matches("http://").trim_end_matches('/');
        let stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("ws://{address}/api/messages/live")
            .into_client_request()
            .expect("a request");
        let (socket, _) = tokio_tungstenite::client_async(request, stream)
            .await
            .expect("upgraded");
        Live(socket)
    }

    /// Connected, and told from where.
    async fn begin(member: &Member, cursor: Option<&str>) -> (Live, String) {
        let mut live = Live::connect().await;
        live.say(&json!({ "token": member.token, "cursor": cursor })).await;
        let ready = live.next().await.expect("a frame");
        assert_eq!(ready["type"], "ready", "{ready}");
        let cursor = text(&ready, "cursor").to_owned();
        (live, cursor)
    }

    async fn say(&mut self, frame: &Value) {
        self.0.send(Frame::text(frame.to_string())).await.expect("sent");
    }

    /// The next frame, or the code and reason it was closed with.
    async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            let frame = tokio::time::timeout(TIMEOUT, self.0.next())
                .await
                .expect("a frame in time");
            match frame.expect("a frame before the end").expect("a right frame") {
                Frame::Text(text) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Frame::Close(Some(close)) => return Err((close.code.into(), close.reason.to_string())),
                Frame::Ping(_) | Frame::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn message(&mut self) -> Value {
        let frame = self.next().await.expect("a frame");
        assert_eq!(frame["type"], "message", "{frame}");
        frame
    }
}

#[tokio::test]
async fn a_message_reaches_both_members_within_a_second() {
    let pair = Pair::new().await;
    let (mut one, _) = Live::begin(&pair.one, None).await;
    let (mut other, _) = Live::begin(&pair.other, None).await;
    for words in ["안녕 🌸", "again"] {
        let started = Instant::now();
        let sent = pair.say(&pair.one, words).await;
        for live in [&mut one, &mut other] {
            assert_eq!(live.message().await["message"], sent);
        }
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "took {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_photo_reaches_the_peer_live_with_its_address() {
    let pair = Pair::new().await;
    let (mut other, _) = Live::begin(&pair.other, None).await;
    let photo = json!({ "media_id": pair.one.photo(&pair.client).await });
    let sent = pair.send(&pair.one, &photo).await.expect(StatusCode::CREATED);
    let message = other.message().await;
    assert_eq!(message["message"], sent);
    let shown = pair.client.get(text(&sent["media"], "url")).await;
    assert_eq!((shown.status, shown.header("content-type")), (200, "image/png"));
}

#[tokio::test]
async fn a_message_reaches_no_third_member() {
    let pair = Pair::new().await;
    let third = Pair::new().await;
    let (mut stranger, _) = Live::begin(&third.one, None).await;
    pair.say(&pair.one, "a secret").await;
    let own = third.say(&third.other, "for you").await;
    assert_eq!(stranger.message().await["message"], own);
}

#[tokio::test]
async fn a_connection_resumes_after_any_message_with_none_lost_or_repeated() {
    let pair = Pair::new().await;
    let (mut live, _) = Live::begin(&pair.other, None).await;
    let first = pair.say(&pair.one, "first").await;
    let frame = live.message().await;
    assert_eq!(frame["message"], first);
    drop(live);
    // More than a connection's queue holds.
    let mut missed = Vec::new();
    for turn in 0..80 {
        missed.push(pair.say(&pair.one, &format!("{turn}")).await);
    }
    let (mut resumed, _) = Live::begin(&pair.other, frame["cursor"].as_str()).await;
    let mut cursors = Vec::new();
    for message in &missed {
        let frame = resumed.message().await;
        assert_eq!(&frame["message"], message);
        cursors.push(text(&frame, "cursor").to_owned());
    }
    let (mut halfway, _) = Live::begin(&pair.other, Some(&cursors[39])).await;
    assert_eq!(&halfway.message().await["message"], &missed[40]);
    let (mut at_the_end, cursor) = Live::begin(&pair.other, Some(&cursors[79])).await;
    assert_eq!(cursor, cursors[79]);
    let last = pair.say(&pair.other, "last").await;
    assert_eq!(at_the_end.message().await["message"], last);
}

#[tokio::test]
async fn a_connection_without_a_good_token_is_closed_with_4401_and_one_not_understood_with_4400() {
    let member = Client::new().new_member().await;
    let forged = format!("{}x", member.token);
    for (hello, code, reason) in [
        (json!({ "token": forged }).to_string(), 4401, "INVALID_TOKEN"),
        (json!({ "token": "" }).to_string(), 4401, "INVALID_TOKEN"),
        ("{}".to_owned(), 4400, "INVALID_FIELDS"),
        ("hello".to_owned(), 4400, "INVALID_FIELDS"),
        (
            json!({ "token": member.token, "admin": true }).to_string(),
            4400,
            "INVALID_FIELDS",
        ),
        (
            json!({ "token": member.token, "cursor": "nonsense" }).to_string(),
            4400,
            "INVALID_FIELDS",
        ),
        // More messages than this member ever had.
        (
            json!({ "token": member.token, "cursor": "AAAAAAAAAAk" }).to_string(),
            4400,
            "INVALID_FIELDS",
        ),
    ] {
        let mut live = Live::connect().await;
        live.0.send(Frame::text(hello.clone())).await.expect("sent");
        assert_eq!(live.next().await, Err((code, reason.to_owned())), "{hello}");
    }
    let mut binary = Live::connect().await;
    binary.0.send(Frame::binary(vec![1, 2, 3])).await.expect("sent");
    assert_eq!(binary.next().await, Err((4400, "INVALID_JSON".to_owned())));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let mut silent = Live::connect().await;
    assert_eq!(silent.next().await, Err((4401, "SIGN_IN_NEEDED".to_owned())));
}

#[tokio::test]
async fn a_frame_of_64_kib_ends_the_connection() {
    let member = Client::new().new_member().await;
    let (mut live, _) = Live::begin(&member, None).await;
    live.say(&json!({ "token": "x".repeat(65_536) })).await;
    let ended = tokio::time::timeout(TIMEOUT, live.0.next())
        .await
        .expect("an end in time");
    assert!(!matches!(ended, Some(Ok(Frame::Text(_)))), "{ended:?}");
}

#[tokio::test]
async fn a_connection_is_renewed_by_a_token_of_its_member_only() {
    let pair = Pair::new().await;
    let (mut live, _) = Live::begin(&pair.one, None).await;
    live.say(&json!({ "token": pair.one.token })).await;
    let sent = pair.say(&pair.one, "still here").await;
    assert_eq!(live.message().await["message"], sent);
    live.say(&json!({ "token": pair.other.token })).await;
    assert_eq!(live.next().await, Err((4401, "INVALID_TOKEN".to_owned())));
}

#[tokio::test]
async fn a_ping_is_answered() {
    let member = Client::new().new_member().await;
    let (mut live, _) = Live::begin(&member, None).await;
    live.0.send(Frame::Ping("hello".into())).await.expect("sent");
    for _ in 0..3 {
        let frame = tokio::time::timeout(TIMEOUT, live.0.next())
            .await
            .expect("a frame in time");
        if let Some(Ok(Frame::Pong(pong))) = frame {
            return assert_eq!(&pong[..], b"hello");
        }
    }
    panic!("no pong");
}

#[tokio::test]
async fn a_member_has_at_most_10_connections_to_a_process() {
    let member = Client::new().new_member().await;
    let mut kept = Vec::new();
    for _ in 0..10 {
        kept.push(Live::begin(&member, None).await);
    }
    let mut one_too_many = Live::connect().await;
    one_too_many.say(&json!({ "token": member.token })).await;
    assert_eq!(one_too_many.next().await, Err((1013, "BUSY".to_owned())));
}

#[tokio::test]
async fn a_plain_request_for_live_delivery_is_refused() {
    let answer = Client::new().get("/api/messages/live").await;
    assert!(
        StatusCode::from_u16(answer.status).is_ok_and(|status| status.is_client_error()),
        "{}",
        answer.text
    );
    assert_eq!(answer.header("content-type"), "application/problem+json");
}
