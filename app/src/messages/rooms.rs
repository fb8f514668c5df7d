//! Rooms: opening one with a member, listing one's own by their newest message, and having read one.

use super::message::{self, Message, author};
use super::{MessageId, Pair, RoomId};
use crate::app::App;
use crate::author::Author;
use crate::body::{Json, Parameters, Whole};
use crate::database::{Pool, despite_deadlocks, violated_foreign_key, violated_unique_key};
use crate::members::MemberId;
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::{Code, Fields, Problem};
use crate::token::SignedIn;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenBody {
    #[schema(value_type = MemberId)]
    member_id: Whole,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadBody {
    /// The newest message that was read.
    #[schema(value_type = MessageId)]
    message_id: Whole,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Room {
    id: RoomId,
    /// Null once that member has withdrawn.
    #[schema(required = true)]
    peer: Option<Author>,
    unread: u32,
    #[schema(required = true)]
    last_message: Option<Message>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Rooms {
    rooms: Vec<Room>,
    /// What to ask for as `before` to go on; null at the end.
    #[schema(required = true)]
    next: Option<Cursor>,
}

/// Open the room with a member
///
/// 201 for a new room, 200 for the one there is.
#[utoipa::path(
    post,
    path = "/api/rooms",
    security(("bearer" = [])),
    request_body = OpenBody,
    responses(
        (status = 201, body = Room, headers(("location" = String))),
        (status = 200, body = Room, headers(("location" = String))),
        (status = 404, description = "NOT_FOUND_MEMBER, NOT_FOUND_ROOM"),
    ),
)]
pub async fn open(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Json(body): Json<OpenBody>,
) -> Result<impl IntoResponse, Problem> {
    let peer = MemberId(body.member_id.0);
    if peer == member {
        let mut fields = Fields::default();
        fields.check::<()>("member_id", Err("must be another member".to_owned()));
        return Err(fields.into_problem());
    }
    let pool = &app.database.pool;
    let (status, id) = match despite_deadlocks(|| insert(pool, member, peer)).await {
        Ok(id) => (StatusCode::CREATED, id),
        // Who was first is decided by the database alone.
        Err(error) if violated_unique_key(&error).as_deref() == Some("rooms_pair_unique") => {
            (StatusCode::OK, between(pool, member, peer).await?)
        }
        Err(error) => return Err(missing_member(error, member, peer)),
    };
    let room = find(pool, id, member).await?;
    let room = room.ok_or_else(|| Problem::new(Code::NotFoundRoom))?;
    let location = AppendHeaders([(header::LOCATION, format!("/api/rooms/{}", id.0))]);
    Ok((status, location, axum::Json(room)))
}

fn missing_member(error: sqlx::Error, member: MemberId, peer: MemberId) -> Problem {
    let low_is_mine = member.0 < peer.0;
    match violated_foreign_key(&error).as_deref() {
        Some("rooms_low_member") if !low_is_mine => Problem::new(Code::NotFoundMember),
        Some("rooms_high_member") if low_is_mine => Problem::new(Code::NotFoundMember),
        // The member is gone though the token still lives.
        Some("rooms_low_member" | "rooms_high_member") => Problem::new(Code::InvalidToken),
        _ => error.into(),
    }
}

/// List one's own rooms
///
/// Those in which anything was said; the newest message decides their order.
#[utoipa::path(
    get,
    path = "/api/rooms",
    params(PageQuery),
    security(("bearer" = [])),
    responses((status = 200, body = Rooms)),
)]
pub async fn list(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    Parameters(query): Parameters<PageQuery>,
) -> Result<axum::Json<Rooms>, Problem> {
    let page = Page::parse(&query)?;
    let mut rooms = newest(&app.database.pool, member, &page).await?;
    let last_message = |room: &Room| room.last_message.as_ref().map_or(0, |message| message.id.0);
    let next = page.cut(&mut rooms, last_message);
    Ok(axum::Json(Rooms { rooms, next }))
}

/// Show a room
#[utoipa::path(
    get,
    path = "/api/rooms/{id}",
    params(RoomId),
    security(("bearer" = [])),
    responses((status = 200, body = Room), (status = 404, description = "NOT_FOUND_ROOM")),
)]
pub async fn show(State(app): State<App>, SignedIn(member): SignedIn, id: RoomId) -> Result<axum::Json<Room>, Problem> {
    let room = find(&app.database.pool, id, member).await?;
    room.map(axum::Json).ok_or_else(|| Problem::new(Code::NotFoundRoom))
}

/// Tell how far a room has been read
///
/// Reading goes forward only: an older message than was read already changes nothing.
#[utoipa::path(
    put,
    path = "/api/rooms/{id}/read",
    params(RoomId),
    security(("bearer" = [])),
    request_body = ReadBody,
    responses((status = 204), (status = 404, description = "NOT_FOUND_ROOM, NOT_FOUND_MESSAGE")),
)]
pub async fn read(
    State(app): State<App>,
    SignedIn(member): SignedIn,
    room: RoomId,
    Json(body): Json<ReadBody>,
) -> Result<StatusCode, Problem> {
    let pool = &app.database.pool;
    Pair::of(pool, room, member).await?;
    let message = MessageId(body.message_id.0);
    if message::find(pool, room, message).await?.is_none() {
        return Err(Problem::new(Code::NotFoundMessage));
    }
    despite_deadlocks(|| mark_read(pool, room, member, message)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn insert(pool: &Pool, member: MemberId, peer: MemberId) -> sqlx::Result<RoomId> {
    let (low, high) = ordered(member, peer);
    let mut transaction = pool.begin().await?;
    let inserted = sqlx::query("INSERT INTO rooms (low_member_id, high_member_id) VALUES (?, ?)")
        .bind(low)
        .bind(high)
        .execute(&mut *transaction)
        .await?;
    let id = RoomId(inserted.last_insert_id());
    sqlx::query("INSERT INTO room_members (room_id, member_id) VALUES (?, ?), (?, ?)")
        .bind(id)
        .bind(low)
        .bind(id)
        .bind(high)
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO inboxes (member_id) VALUES (?), (?) ON DUPLICATE KEY UPDATE last_seq = last_seq")
        .bind(low)
        .bind(high)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(id)
}

async fn between(pool: &Pool, member: MemberId, peer: MemberId) -> Result<RoomId, Problem> {
    let (low, high) = ordered(member, peer);
    let id = sqlx::query_scalar("SELECT id FROM rooms WHERE low_member_id = ? AND high_member_id = ?")
        .bind(low)
        .bind(high)
        .fetch_optional(pool)
        .await?;
    // The peer may have withdrawn in between.
    id.ok_or_else(|| Problem::new(Code::NotFoundMember))
}

fn ordered(one: MemberId, other: MemberId) -> (MemberId, MemberId) {
    if one.0 < other.0 { (one, other) } else { (other, one) }
}

#[derive(FromRow)]
struct Row {
    id: RoomId,
    unread: u32,
    peer_id: Option<MemberId>,
    peer_nickname: Option<String>,
    last_message_id: Option<MessageId>,
}

/// The start of every query for rooms as one member has them.
macro_rules! select_rooms {
    ($rest:literal) => {
        concat!(
            "SELECT seats.room_id AS id, seats.unread, seats.last_message_id, ",
            "members.id AS peer_id, members.nickname AS peer_nickname FROM room_members AS seats ",
            "LEFT JOIN room_members AS others ON others.room_id = seats.room_id AND others.member_id <> seats.member_id ",
            "LEFT JOIN members ON members.id = others.member_id ",
            $rest
        )
    };
}

async fn find(pool: &Pool, id: RoomId, member: MemberId) -> sqlx::Result<Option<Room>> {
    let query = select_rooms!("WHERE seats.room_id = ? AND seats.member_id = ?");
    let rows: Vec<Row> = sqlx::query_as(query).bind(id).bind(member).fetch_all(pool).await?;
    Ok(with_messages(pool, rows).await?.pop())
}

async fn newest(pool: &Pool, member: MemberId, page: &Page) -> sqlx::Result<Vec<Room>> {
    let query = select_rooms!(
        "WHERE seats.member_id = ? AND seats.last_message_id < ? ORDER BY seats.last_message_id DESC LIMIT ?"
    );
    let rows: Vec<Row> = sqlx::query_as(query)
        .bind(member)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(pool)
        .await?;
    with_messages(pool, rows).await
}

/// The last messages of all rooms come in one query.
async fn with_messages(pool: &Pool, rows: Vec<Row>) -> sqlx::Result<Vec<Room>> {
    let ids = rows.iter().filter_map(|row| row.last_message_id);
    let mut messages = message::all(pool, ids).await?;
    let rooms = rows.into_iter().map(|row| Room {
        id: row.id,
        peer: author(row.peer_id, row.peer_nickname),
        unread: row.unread,
        last_message: row.last_message_id.and_then(|id| messages.remove(&id)),
    });
    Ok(rooms.collect())
}

/// Holds the member's inbox like whoever sends, so that no message is counted twice or not at all.
async fn mark_read(pool: &Pool, room: RoomId, member: MemberId, message: MessageId) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT last_seq FROM inboxes WHERE member_id = ? FOR UPDATE")
        .bind(member)
        .fetch_optional(&mut *transaction)
        .await?;
    sqlx::query(
        "UPDATE room_members SET read_message_id = ?, unread = \
           (SELECT COUNT(*) FROM messages WHERE room_id = ? AND id > ? AND NOT (sender_id <=> ?)) \
         WHERE room_id = ? AND member_id = ? AND read_message_id < ?",
    )
    .bind(message)
    .bind(room)
    .bind(message)
    .bind(member)
    .bind(room)
    .bind(member)
    .bind(message)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}
