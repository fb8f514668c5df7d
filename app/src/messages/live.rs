//! Live delivery over WebSocket.
//!
//! The client's first frame is `{"token": …, "cursor": …}`: never in the address, which ends up in logs. Without a
//! cursor it gets what is new from now on. The answer `{"type": "ready", "cursor": …}` is followed by a
//! `{"type": "message", "cursor": …, "message": …}` for each message sent or received; the cursor of the last one
//! is where to resume from. A frame `{"token": …}` with a newer token of the same member keeps the connection beyond
//! the first one's life.
//!
//! It is closed with 1012 when this process stops (connect again at once), 1013 when there is no room (connect again
//! later), 4400 for a frame that is not understood, 4401 for a token that is not good or no longer; the reason is a
//! code like those of problems.

use super::feed::{Delivery, Subscription};
use super::handshake::Handshake;
use super::message::Message;
use crate::app::App;
use crate::members::MemberId;
use crate::page::Cursor;
use crate::problem::{Code, Problem};
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};

/// Connections of one process, and of one member to it.
const MOST_CONNECTIONS: u32 = 4_096;
const MOST_CONNECTIONS_A_MEMBER: usize = 10;
const FRAME_MAX_BYTES: usize = 8 * 1024;
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that takes longer over one frame is cut: it may resume.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long nothing at all may come from a client, not even the answer to a ping.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(50);
/// When the process stops, its connections end spread over this long, so that they do not all come back at once.
const RESTART_SPREAD: Duration = Duration::from_secs(4);
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

const WRONG_FRAME: u16 = 4400;
const WRONG_TOKEN: u16 = 4401;

/// The places for connections; all are free again when the last has ended.
#[derive(Debug)]
pub struct Places(std::sync::Arc<Semaphore>);

impl Default for Places {
    fn default() -> Places {
        Places(std::sync::Arc::new(Semaphore::new(MOST_CONNECTIONS as usize)))
    }
}

impl Places {
    pub fn taken(&self) -> usize {
        MOST_CONNECTIONS as usize - self.0.available_permits()
    }

    pub async fn all_free(&self) {
        // The semaphore is never closed.
        self.0.acquire_many(MOST_CONNECTIONS).await.ok();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hello {
    token: String,
    cursor: Option<String>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    Ready { cursor: Cursor },
    Message { cursor: Cursor, message: &'a Message },
}

/// How a connection ends.
enum End {
    Close(u16, &'static str),
    /// Nobody is there to be told.
    Gone,
}

type Step<T> = Result<T, End>;

/// Hear of new messages at once, over WebSocket
///
/// The client's first frame is `{"token": …, "cursor": …}`. The answer `{"type": "ready", "cursor": …}` is followed by a
/// `{"type": "message", "cursor": …, "message": …}` for each message sent or received; the cursor of the last one is where
/// to resume from. A frame `{"token": …}` with a newer token of the same member keeps the connection beyond the first
/// one's life. It is closed with 1012 or 1013 (connect again at once, or later), 4400 for a frame that is not understood
/// and 4401 for a token that is not good or no longer.
#[utoipa::path(
    get,
    path = "/api/messages/live",
    params(Handshake),
    responses(
        (status = 101, description = "From here on it is a WebSocket"),
        (status = 400, description = "REFUSED"),
        (status = 426, description = "REFUSED"),
    ),
)]
pub async fn live(State(app): State<App>, upgrade: WebSocketUpgrade) -> Result<Response, Problem> {
    if app.is_draining() {
        return Err(Problem::new(Code::Busy));
    }
    let place = app.places.0.clone().try_acquire_owned();
    let place = place.map_err(|_| Problem::new(Code::Busy))?;
    let upgrade = upgrade
        .max_frame_size(FRAME_MAX_BYTES)
        .max_message_size(FRAME_MAX_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(app, socket, place)))
}

async fn serve(app: App, socket: WebSocket, place: OwnedSemaphorePermit) {
    let mut connection = Connection { socket };
    let end = match connection.converse(&app).await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    if let End::Close(code, reason) = end {
        connection.close(code, reason).await;
    }
    drop(place);
}

enum Never {}

struct Connection {
    socket: WebSocket,
}

impl Connection {
    async fn converse(&mut self, app: &App) -> Step<Never> {
        let (mut session, mut subscription) = tokio::select! {
            begun = self.begin(app) => begun?,
            () = app.draining() => return Err(End::Close(close_code::RESTART, "RESTART")),
        };
        let stop = restart(app);
        tokio::pin!(stop);
        let mut ping = tokio::time::interval(PING_INTERVAL);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                delivery = subscription.deliveries.recv() => match delivery {
                    Some(delivery) => self.deliver(&delivery).await?,
                    None => return Err(End::Close(close_code::RESTART, "RESTART")),
                },
                frame = self.socket.recv() => {
                    heard = Instant::now();
                    if let ControlFlow::Continue(text) = read(frame)? {
                        session.renew(app, &text)?;
                    }
                }
                _ = ping.tick() => {
                    if heard.elapsed() > SILENCE_TIMEOUT {
                        return Err(End::Gone);
                    }
                    self.send(Frame::Ping(Default::default())).await?;
                }
                () = tokio::time::sleep(session.rest()) => {
                    return Err(End::Close(WRONG_TOKEN, "EXPIRED_TOKEN"));
                }
                () = &mut stop => return Err(End::Close(close_code::RESTART, "RESTART")),
            }
        }
    }

    async fn begin<'a>(&mut self, app: &'a App) -> Step<(Session, Subscription<'a>)> {
        let hello = tokio::time::timeout(HELLO_TIMEOUT, self.hello()).await;
        let hello = hello.unwrap_or(Err(End::Close(WRONG_TOKEN, "SIGN_IN_NEEDED")))?;
        let session = Session::open(app, &hello.token)?;
        let newest = newest(app, session.member).await?;
        let after = match hello.cursor.as_deref().map(Cursor::parse) {
            None => newest,
            Some(Ok(Cursor(seq))) if seq <= newest => seq,
            Some(_) => return Err(End::Close(WRONG_FRAME, "INVALID_FIELDS")),
        };
        if app.feed.connections_of(session.member) >= MOST_CONNECTIONS_A_MEMBER {
            return Err(End::Close(close_code::AGAIN, "BUSY"));
        }
        let subscription = app.feed.subscribe(session.member, after, newest);
        self.tell(&Told::Ready { cursor: Cursor(after) }).await?;
        Ok((session, subscription))
    }

    async fn hello(&mut self) -> Step<Hello> {
        loop {
            if let ControlFlow::Continue(text) = read(self.socket.recv().await)? {
                return parse(&text);
            }
        }
    }

    async fn deliver(&mut self, delivery: &Delivery) -> Step<()> {
        let cursor = Cursor(delivery.seq);
        let message = &delivery.message;
        self.tell(&Told::Message { cursor, message }).await
    }

    async fn tell(&mut self, told: &Told<'_>) -> Step<()> {
        let text = serde_json::to_string(told).map_err(|error| {
            tracing::error!(cause = %error, "a live message cannot be written");
            End::Close(close_code::ERROR, "INTERNAL")
        })?;
        self.send(Frame::Text(text.into())).await
    }

    async fn send(&mut self, frame: Frame) -> Step<()> {
        match tokio::time::timeout(SEND_TIMEOUT, self.socket.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    /// Says goodbye and waits a moment for the answer, so that the close is not lost in a reset.
    async fn close(&mut self, code: u16, reason: &'static str) {
        let goodbye = async {
            let frame = CloseFrame {
                code,
                reason: reason.into(),
            };
            self.socket.send(Frame::Close(Some(frame))).await.ok();
            while let Some(Ok(_)) = self.socket.recv().await {}
        };
        tokio::time::timeout(GOODBYE_TIMEOUT, goodbye).await.ok();
    }
}

/// Text goes on; pings and pongs break off, for the library answers them itself.
fn read(frame: Option<Result<Frame, axum::Error>>) -> Step<ControlFlow<(), String>> {
    match frame {
        Some(Ok(Frame::Text(text))) => Ok(ControlFlow::Continue(text.as_str().to_owned())),
        Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(ControlFlow::Break(())),
        Some(Ok(Frame::Binary(_))) => Err(End::Close(WRONG_FRAME, "INVALID_JSON")),
        Some(Ok(Frame::Close(_)) | Err(_)) | None => Err(End::Gone),
    }
}

fn parse(text: &str) -> Step<Hello> {
    serde_json::from_str(text).map_err(|_| End::Close(WRONG_FRAME, "INVALID_FIELDS"))
}

/// Whose connection it is, and until when.
struct Session {
    member: MemberId,
    expires_secs: u64,
}

impl Session {
    fn open(app: &App, token: &str) -> Step<Session> {
        let verified = app.tokens.verify_until(token);
        let (member, expires_secs) = verified.map_err(|problem| End::Close(WRONG_TOKEN, problem.code()))?;
        Ok(Session { member, expires_secs })
    }

    fn renew(&mut self, app: &App, text: &str) -> Step<()> {
        let renewed = Session::open(app, &parse(text)?.token)?;
        if renewed.member != self.member {
            return Err(End::Close(WRONG_TOKEN, "INVALID_TOKEN"));
        }
        self.expires_secs = self.expires_secs.max(renewed.expires_secs);
        Ok(())
    }

    fn rest(&self) -> Duration {
        let expires = UNIX_EPOCH + Duration::from_secs(self.expires_secs);
        expires.duration_since(SystemTime::now()).unwrap_or_default()
    }
}

/// The number of the member's newest message.
async fn newest(app: &App, member: MemberId) -> Step<u64> {
    let newest: sqlx::Result<Option<Option<u64>>> = sqlx::query_scalar(
        "SELECT inboxes.last_seq FROM members LEFT JOIN inboxes ON inboxes.member_id = members.id WHERE members.id = ?",
    )
    .bind(member)
    .fetch_optional(&app.database.pool)
    .await;
    match newest {
        // Who never had a room has no inbox.
        Ok(Some(newest)) => Ok(newest.unwrap_or(0)),
        // The member is gone though the token still lives.
        Ok(None) => Err(End::Close(WRONG_TOKEN, "INVALID_TOKEN")),
        Err(error) => {
            tracing::warn!(cause = %error, "a live connection cannot begin");
            Err(End::Close(close_code::AGAIN, "DATABASE_UNAVAILABLE"))
        }
    }
}

/// Some time after the process is told to stop, another for each connection.
async fn restart(app: &App) {
    app.draining().await;
    let spread_ms = u64::try_from(RESTART_SPREAD.as_millis()).unwrap_or(u64::MAX);
    let wait_ms = rand::rng().random_range(0..=spread_ms);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}
