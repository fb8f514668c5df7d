//! Sending a message.

use super::message::{self, Message};
use super::{MessageId, Pair, RoomId};
use crate::app::App;
use crate::body::Whole;
use crate::database::violated_foreign_key;
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::interface::schema::written_as;
use crate::members::MemberId;
use crate::posts::PostId;
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sqlx::{MySqlConnection, MySqlPool};
use utoipa::openapi::{AllOfBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema as _, ToSchema};

const TEXT_MAX_CHARS: usize = 2_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    #[schema(value_type = Option<MessageText>)]
    text: Option<String>,
    #[schema(value_type = Option<PostId>)]
    post_id: Option<Whole>,
    /// An earlier message of the same room.
    #[schema(value_type = Option<MessageId>)]
    quote_id: Option<Whole>,
}

struct MessageText;

written_as!(MessageText, Prose::schema(TEXT_MAX_CHARS));

/// A new message is a text or a post, and never both.
struct NewMessage;

written_as!(NewMessage, one_of_both(), SendBody);

fn one_of_both() -> Schema {
    let (text, post) = (Object::with_type(Type::String), Object::with_type(Type::Integer));
    let given = OneOfBuilder::new()
        .item(ObjectBuilder::new().property("text", text).required("text"))
        .item(ObjectBuilder::new().property("post_id", post).required("post_id"));
    AllOfBuilder::new().item(SendBody::schema()).item(given).into()
}

/// What is said: exactly one of these.
enum Said {
    Text(Prose),
    Post(u64),
}

impl Said {
    fn kind(&self) -> &'static str {
        match self {
            Said::Text(_) => "text",
            Said::Post(_) => "post",
        }
    }
}

struct Sending {
    room: RoomId,
    sender: MemberId,
    /// Who is no longer there has withdrawn.
    peer: Option<MemberId>,
    said: Said,
    quote: Option<MessageId>,
}

impl SendBody {
    fn parse(self) -> Result<Said, Problem> {
        let mut fields = Fields::default();
        let said = match (self.text, self.post_id) {
            (Some(text), None) => fields
                .check("text", Prose::parse(&text, TEXT_MAX_CHARS))
                .map(Said::Text),
            (None, Some(Whole(post))) => Some(Said::Post(post)),
            _ => fields.check("text", Err("give either this or `post_id`".to_owned())),
        };
        said.ok_or_else(|| fields.into_problem())
    }
}

/// Send a message
///
/// A text, or a post to be shared.
#[utoipa::path(
    post,
    path = "/api/rooms/{id}/messages",
    params(RoomId, IdempotencyKey),
    security(("bearer" = [])),
    request_body = NewMessage,
    responses(
        (status = 201, body = Message, headers(("location" = String))),
        (status = 404, description = "NOT_FOUND_ROOM, NOT_FOUND_POST, NOT_FOUND_MESSAGE"),
        (status = 409, description = "WITHDRAWN_MEMBER"),
    ),
)]
pub async fn send(
    State(app): State<App>,
    SignedIn(sender): SignedIn,
    room: RoomId,
    Create { body, key }: Create<SendBody>,
) -> Result<Response, Problem> {
    let pool = &app.database.pool;
    let quote = body.quote_id.map(|Whole(id)| MessageId(id));
    let said = body.parse()?;
    let Pair { peer } = Pair::of(pool, room, sender).await?;
    let sending = Sending {
        room,
        sender,
        peer,
        said,
        quote,
    };
    let answer = idempotency::despite_deadlocks(|| make(pool, &key, &sending)).await?;
    app.feed.look();
    Ok(answer)
}

async fn make(pool: &MySqlPool, key: &IdempotencyKey, sending: &Sending) -> Result<Response, Problem> {
    let Sending { room, sender, peer, .. } = *sending;
    let mut creating = match key.claim(pool, Some(sender)).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let withdrawn = || Problem::new(Code::WithdrawnMember);
    let transaction = creating.transaction();
    let inserted = insert(transaction, sending, peer.ok_or_else(withdrawn)?).await;
    let id = inserted.map_err(missing)?.ok_or_else(withdrawn)?;
    let message = message::find(transaction, room, id).await?;
    let message = message.ok_or_else(|| Problem::new(Code::NotFoundMessage))?;
    let location = format!("/api/rooms/{}/messages/{}", room.0, id.0);
    creating.finish(sender, &location, &message).await
}

/// What a message refers to is looked up by the foreign keys alone.
fn missing(error: sqlx::Error) -> Problem {
    match violated_foreign_key(&error).as_deref() {
        Some("messages_post") => Problem::new(Code::NotFoundPost).with_field("post_id", "is no post"),
        Some("messages_quote") => {
            Problem::new(Code::NotFoundMessage).with_field("quote_id", "is no message of this room")
        }
        Some("messages_sender") => Problem::new(Code::InvalidToken),
        _ => error.into(),
    }
}

/// `None` when one of the two is no longer there. Both inboxes are held from the first statement to the commit: so the
/// numbers in each, and the ids in the room, become visible in their order.
async fn insert(
    transaction: &mut MySqlConnection,
    sending: &Sending,
    peer: MemberId,
) -> sqlx::Result<Option<MessageId>> {
    let sender = sending.sender;
    let numbered =
        sqlx::query("UPDATE inboxes SET last_seq = last_seq + 1 WHERE member_id IN (?, ?) ORDER BY member_id")
            .bind(sender)
            .bind(peer)
            .execute(&mut *transaction)
            .await?;
    if numbered.rows_affected() != 2 {
        return Ok(None);
    }
    let inserted = sqlx::query(
        "INSERT INTO messages (room_id, sender_id, kind, text, post_id, quote_id) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(sending.room)
    .bind(sender)
    .bind(sending.said.kind())
    .bind(match &sending.said {
        Said::Text(text) => Some(text.as_str()),
        Said::Post(_) => None,
    })
    .bind(match &sending.said {
        Said::Text(_) => None,
        Said::Post(post) => Some(*post),
    })
    .bind(sending.quote)
    .execute(&mut *transaction)
    .await?;
    let id = MessageId(inserted.last_insert_id());
    sqlx::query(
        "INSERT INTO inbox_entries (member_id, seq, message_id) \
         SELECT member_id, last_seq, ? FROM inboxes WHERE member_id IN (?, ?)",
    )
    .bind(id)
    .bind(sender)
    .bind(peer)
    .execute(&mut *transaction)
    .await?;
    sqlx::query("UPDATE room_members SET last_message_id = ?, unread = unread + (member_id <> ?) WHERE room_id = ?")
        .bind(id)
        .bind(sender)
        .bind(sending.room)
        .execute(&mut *transaction)
        .await?;
    Ok(Some(id))
}
