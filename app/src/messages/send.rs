//! Sending a message.

use super::message::{self, MediaKind, Message};
use super::{MessageId, Pair, RoomId};
use crate::app::App;
use crate::body::Whole;
use crate::database::{Pool, violated_foreign_key};
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::interface::schema::written_as;
use crate::media::{self, MediaId};
use crate::members::MemberId;
use crate::posts::PostId;
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use sqlx::MySqlConnection;
use utoipa::openapi::{AllOfBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{PartialSchema as _, ToSchema};

const TEXT_MAX_CHARS: usize = 2_000;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    #[schema(value_type = Option<MessageText>)]
    text: Option<String>,
    /// A photo, video or document that the sender has uploaded.
    media_id: Option<MediaId>,
    #[schema(value_type = Option<PostId>)]
    post_id: Option<Whole>,
    /// An earlier message of the same room.
    #[schema(value_type = Option<MessageId>)]
    quote_id: Option<Whole>,
}

struct MessageText;

written_as!(MessageText, Prose::schema(TEXT_MAX_CHARS));

/// A new message is exactly one of these.
struct NewMessage;

written_as!(NewMessage, one_of_three(), SendBody);

fn one_of_three() -> Schema {
    let kinds = [
        ("text", Type::String),
        ("media_id", Type::Integer),
        ("post_id", Type::Integer),
    ];
    let given = kinds.into_iter().fold(OneOfBuilder::new(), |given, (field, kind)| {
        given.item(
            ObjectBuilder::new()
                .property(field, Object::with_type(kind))
                .required(field),
        )
    });
    AllOfBuilder::new().item(SendBody::schema()).item(given).into()
}

/// What is said: exactly one of these.
enum Said {
    Text(Prose),
    Media(MediaId),
    Post(u64),
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
        match (self.text, self.media_id, self.post_id) {
            (Some(text), None, None) => {
                let mut fields = Fields::default();
                let text = fields.check("text", Prose::parse(&text, TEXT_MAX_CHARS));
                text.map(Said::Text).ok_or_else(|| fields.into_problem())
            }
            (None, Some(media), None) => Ok(Said::Media(media)),
            (None, None, Some(Whole(post))) => Ok(Said::Post(post)),
            (text, media, post) => Err(not_one_of([
                ("text", text.is_some()),
                ("media_id", media.is_some()),
                ("post_id", post.is_some()),
            ])),
        }
    }
}

/// Names those that were given where there are too many, and all of them where there is none.
fn not_one_of(fields: [(&'static str, bool); 3]) -> Problem {
    let is_any_given = fields.iter().any(|(_, is_given)| *is_given);
    let problem = Problem::new(Code::InvalidFields);
    let named = fields.iter().filter(|(_, is_given)| *is_given || !is_any_given);
    named.fold(problem, |problem, (field, _)| {
        problem.with_field(
            *field,
            "is one of `text`, `media_id` and `post_id`, of which exactly one is to be given",
        )
    })
}

/// Send a message
///
/// A text, a photo, video or document, or a post to be shared.
#[utoipa::path(
    post,
    path = "/api/rooms/{id}/messages",
    params(RoomId, IdempotencyKey),
    security(("bearer" = [])),
    request_body = NewMessage,
    responses(
        (status = 201, body = Message, headers(("location" = String))),
        (status = 404, description = "NOT_FOUND_ROOM, NOT_FOUND_MEDIA, NOT_FOUND_POST, NOT_FOUND_MESSAGE"),
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

async fn make(pool: &Pool, key: &IdempotencyKey, sending: &Sending) -> Result<Response, Problem> {
    let Sending { room, sender, peer, .. } = *sending;
    let mut creating = match key.claim(pool, Some(sender)).await? {
        Claim::New(creating) => creating,
        Claim::Answered(answer) => return Ok(answer),
    };
    let withdrawn = || Problem::new(Code::WithdrawnMember);
    let transaction = creating.transaction();
    let peer = peer.ok_or_else(withdrawn)?;
    if !number(transaction, sender, peer).await? {
        return Err(withdrawn());
    }
    let kind = kind(transaction, sending).await?;
    let id = insert(transaction, sending, kind).await.map_err(missing)?;
    deliver(transaction, sending, peer, id).await?;
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

/// What the message says for good that it is. Only media that are the sender's own and may be used can be sent; the lock
/// keeps them from being removed meanwhile.
async fn kind(transaction: &mut MySqlConnection, sending: &Sending) -> Result<&'static str, Problem> {
    let id = match sending.said {
        Said::Text(_) => return Ok("text"),
        Said::Post(_) => return Ok("post"),
        Said::Media(id) => id,
    };
    let content_type = media::usable(transaction, id, sending.sender).await?;
    let kind = content_type.as_deref().and_then(MediaKind::of_content_type);
    // Another's, still awaited, or not there: which of these is nobody else's business.
    let not_found = || Problem::new(Code::NotFoundMedia).with_field("media_id", "is no file that you have uploaded");
    kind.map(MediaKind::name).ok_or_else(not_found)
}

/// False when one of the two is no longer there. Both inboxes are held from this first statement to the commit: so the
/// numbers in each, and the ids in the room, become visible in their order.
async fn number(transaction: &mut MySqlConnection, sender: MemberId, peer: MemberId) -> sqlx::Result<bool> {
    let numbered =
        sqlx::query("UPDATE inboxes SET last_seq = last_seq + 1 WHERE member_id IN (?, ?) ORDER BY member_id")
            .bind(sender)
            .bind(peer)
            .execute(transaction)
            .await?;
    Ok(numbered.rows_affected() == 2)
}

async fn insert(transaction: &mut MySqlConnection, sending: &Sending, kind: &'static str) -> sqlx::Result<MessageId> {
    let (text, media, post) = match &sending.said {
        Said::Text(text) => (Some(text.as_str()), None, None),
        Said::Media(media) => (None, Some(*media), None),
        Said::Post(post) => (None, None, Some(*post)),
    };
    let inserted = sqlx::query(
        "INSERT INTO messages (room_id, sender_id, kind, text, media_id, post_id, quote_id) \
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(sending.room)
    .bind(sending.sender)
    .bind(kind)
    .bind(text)
    .bind(media)
    .bind(post)
    .bind(sending.quote)
    .execute(transaction)
    .await?;
    Ok(MessageId(inserted.last_insert_id()))
}

/// Into both inboxes, and to the top of both lists of rooms.
async fn deliver(
    transaction: &mut MySqlConnection,
    sending: &Sending,
    peer: MemberId,
    id: MessageId,
) -> sqlx::Result<()> {
    let sender = sending.sender;
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
        .execute(transaction)
        .await
        .map(drop)
}
