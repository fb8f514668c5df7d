//! Direct messages: one room a pair of members, and what is said in it, which can be neither changed nor deleted.
//!
//! When a member withdraws, the other keeps the room and the whole history: the room's peer and the sender of that
//! member's messages are null from then on, and nothing more can be sent. A shared post since deleted leaves a message
//! of the kind `deleted_post`.

mod feed;
mod live;
mod message;
mod rooms;
mod send;

use crate::app::App;
use crate::body::Parameters;
use crate::members::MemberId;
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::{Code, Problem};
use crate::token::SignedIn;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use message::Message;
use serde::Serialize;
use sqlx::MySqlPool;

pub use feed::{Feed, follow};
pub use live::Places;

pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/rooms", get(rooms::list).post(rooms::open))
        .route("/api/rooms/{id}", get(rooms::show))
        .route("/api/rooms/{id}/read", put(rooms::read))
        .route("/api/rooms/{id}/messages", post(send::send).get(list))
        .route("/api/rooms/{id}/messages/{message_id}", get(show))
        .route("/api/messages/live", get(live::live))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct RoomId(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct MessageId(u64);

impl RoomId {
    fn parse(value: &str) -> Result<RoomId, Problem> {
        value.parse().map(RoomId).map_err(|_| Problem::new(Code::NotFoundRoom))
    }
}

#[derive(Debug, Serialize)]
struct Messages {
    messages: Vec<Message>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Cursor>,
}

async fn list(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Path(room): Path<String>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Messages>, Problem> {
    let page = Page::parse(&query)?;
    let room = RoomId::parse(&room)?;
    Pair::of(&app.database.pool, room, member).await?;
    let mut messages = message::newest(&app.database.pool, room, &page).await?;
    let next = page.cut(&mut messages, |message| message.id.0);
    Ok(Json(Messages { messages, next }))
}

async fn show(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Path((room, id)): Path<(String, String)>,
) -> Result<Json<Message>, Problem> {
    let room = RoomId::parse(&room)?;
    Pair::of(&app.database.pool, room, member).await?;
    let not_found = || Problem::new(Code::NotFoundMessage);
    let id = id.parse().map(MessageId).map_err(|_| not_found())?;
    message::find(&app.database.pool, room, id)
        .await?
        .map(Json)
        .ok_or_else(not_found)
}

/// The two of a room, one of whom asks.
struct Pair {
    /// Who is no longer there has withdrawn.
    peer: Option<MemberId>,
}

impl Pair {
    /// Somebody else's room is answered like one that does not exist.
    async fn of(pool: &MySqlPool, room: RoomId, member: MemberId) -> Result<Pair, Problem> {
        let members: Vec<MemberId> = sqlx::query_scalar("SELECT member_id FROM room_members WHERE room_id = ?")
            .bind(room)
            .fetch_all(pool)
            .await?;
        if !members.contains(&member) {
            return Err(Problem::new(Code::NotFoundRoom));
        }
        let peer = members.into_iter().find(|other| *other != member);
        Ok(Pair { peer })
    }
}
