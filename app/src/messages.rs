//! Direct messages: one room a pair of members, and what is said in it, which can be neither changed nor deleted.
//!
//! When a member withdraws, the other keeps the room and the whole history: the room's peer and the sender of that
//! member's messages are null from then on, and nothing more can be sent. The media
//! that the member has sent stay. A shared post since deleted leaves a message of the kind `deleted_post`.

mod feed;
mod handshake;
mod live;
mod message;
mod rooms;
mod send;

use crate::app::App;
use crate::body::Parameters;
use crate::database::Pool;
use crate::interface::Routes;
use crate::interface::schema::{self, written_as};
use crate::members::MemberId;
use crate::page::{Cursor, Page, PageQuery};
use crate::path::named_in_path;
use crate::problem::{Code, Problem};
use crate::token::SignedIn;
use axum::Json;
use axum::extract::State;
use message::Message;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

pub use feed::{Feed, follow};
pub use live::Places;

pub fn routes() -> Routes {
    let rooms = Routes::of("Rooms")
        .with(routes!(rooms::list, rooms::open))
        .with(routes!(rooms::show))
        .with(routes!(rooms::read));
    Routes::of("Messages")
        .with(routes!(list, send::send))
        .with(routes!(show))
        .with(routes!(live::live))
        .merge(rooms)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct RoomId(u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, sqlx::Type)]
#[sqlx(transparent)]
pub struct MessageId(u64);

written_as!(RoomId, schema::id());
named_in_path!(
    RoomId,
    "id",
    "One's own room",
    |id| id.parse().ok().map(RoomId),
    NotFoundRoom
);

written_as!(MessageId, schema::id());
named_in_path!(
    MessageId,
    "message_id",
    "A message of the room",
    |id| id.parse().ok().map(MessageId),
    NotFoundMessage
);

#[derive(Debug, Serialize, ToSchema)]
struct Messages {
    messages: Vec<Message>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    next: Option<Cursor>,
}

/// List the messages of a room
#[utoipa::path(
    get,
    path = "/api/rooms/{id}/messages",
    params(RoomId, PageQuery),
    security(("bearer" = [])),
    responses((status = 200, body = Messages), (status = 404, description = "NOT_FOUND_ROOM")),
)]
async fn list(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    room: RoomId,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Messages>, Problem> {
    let page = Page::parse(&query)?;
    Pair::of(&app.database.pool, room, member).await?;
    let mut messages = message::newest(&app.database.pool, room, &page).await?;
    let next = page.cut(&mut messages, |message| message.id.0);
    Ok(Json(Messages { messages, next }))
}

/// Show a message
#[utoipa::path(
    get,
    path = "/api/rooms/{id}/messages/{message_id}",
    params(RoomId, MessageId),
    security(("bearer" = [])),
    responses((status = 200, body = Message), (status = 404, description = "NOT_FOUND_ROOM, NOT_FOUND_MESSAGE")),
)]
async fn show(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    room: RoomId,
    id: MessageId,
) -> Result<Json<Message>, Problem> {
    Pair::of(&app.database.pool, room, member).await?;
    message::find(&app.database.pool, room, id)
        .await?
        .map(Json)
        .ok_or_else(|| Problem::new(Code::NotFoundMessage))
}

/// The two of a room, one of whom asks.
struct Pair {
    /// Who is no longer there has withdrawn.
    peer: Option<MemberId>,
}

impl Pair {
    /// Somebody else's room is answered like one that does not exist.
    async fn of(pool: &Pool, room: RoomId, member: MemberId) -> Result<Pair, Problem> {
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
