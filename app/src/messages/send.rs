//! Sending a message.

use super::message;
use super::{MessageId, Pair, RoomId};
use crate::app::App;
use crate::database::violated_foreign_key;
use crate::idempotency::{self, Claim, Create, IdempotencyKey};
use crate::members::MemberId;
use crate::problem::{Code, Fields, Problem};
use crate::prose::Prose;
use crate::token::SignedIn;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use sqlx::{MySqlConnection, MySqlPool};

const TEXT_MAX_CHARS: usize = 2_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    text: Option<String>,
    post_id: Option<u64>,
    /// An earlier message of the same room.
    quote_id: Option<u64>,
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
            (None, Some(post)) => Some(Said::Post(post)),
            _ => fields.check("text", Err("give either this or `post_id`".to_owned())),
        };
        said.ok_or_else(|| fields.into_problem())
    }
}

pub async fn send(
    State(app): State<App>,
    SignedIn(sender): SignedIn,
    Path(room): Path<String>,
    Create { body, key }: Create<SendBody>,
) -> Result<Response, Problem> {
    let (pool, room) = (&app.database.pool, RoomId::parse(&room)?);
    let quote = body.quote_id.map(MessageId);
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
