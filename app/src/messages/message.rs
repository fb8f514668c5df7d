//! A message as it is shown, and the queries that read one and many.

use super::{MessageId, RoomId};
use crate::author::Author;
use crate::database::Pool;
use crate::interface::schema::{self, moment};
use crate::media::{self, MediaId, Thumbnail};
use crate::members::MemberId;
use crate::page::Page;
use serde::Serialize;
use sqlx::{FromRow, MySqlExecutor, QueryBuilder};
use std::collections::HashMap;
use utoipa::ToSchema;

#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    pub id: MessageId,
    room_id: RoomId,
    /// Null for a member who has withdrawn.
    #[schema(required = true)]
    sender: Option<Author>,
    #[serde(flatten)]
    content: Content,
    #[schema(required = true)]
    quote: Option<Quote>,
    #[schema(schema_with = moment)]
    created_at: String,
}

/// Exactly one of these.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Content {
    Text { text: String },
    Photo { media: SharedMedia },
    Video { media: SharedMedia },
    Document { media: SharedMedia },
    Post { post: SharedPost },
    DeletedPost,
}

/// What media are to a message. The names are stored and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    Photo,
    Video,
    Document,
}

impl MediaKind {
    pub fn name(self) -> &'static str {
        match self {
            MediaKind::Photo => "photo",
            MediaKind::Video => "video",
            MediaKind::Document => "document",
        }
    }

    pub fn of_content_type(content_type: &str) -> Option<MediaKind> {
        match content_type.split_once('/')? {
            ("image", _) => Some(MediaKind::Photo),
            ("video", _) => Some(MediaKind::Video),
            ("application", _) => Some(MediaKind::Document),
            _ => None,
        }
    }
}

/// A file that a member has sent. It stays in the history though its sender withdraws.
#[derive(Debug, Serialize, ToSchema)]
struct SharedMedia {
    id: MediaId,
    #[serde(rename = "kind")]
    content_type: String,
    url: String,
    bytes: u32,
    /// Null for a document.
    #[schema(required = true)]
    width: Option<u32>,
    /// Null for a document.
    #[schema(required = true)]
    height: Option<u32>,
    /// Smaller copies of a photo, none until they are made.
    thumbnails: Vec<Thumbnail>,
}

#[derive(Debug, Serialize, ToSchema)]
struct SharedPost {
    #[schema(schema_with = schema::id)]
    id: u64,
    /// Null where there are photos alone.
    #[schema(required = true)]
    text: Option<String>,
    author: Author,
}

/// Enough of an earlier message to know which is meant.
#[derive(Debug, Serialize, ToSchema)]
struct Quote {
    id: MessageId,
    #[schema(required = true)]
    sender: Option<Author>,
    kind: String,
    #[schema(required = true)]
    text: Option<String>,
}

#[derive(FromRow)]
pub struct Row {
    id: MessageId,
    room_id: RoomId,
    sender_id: Option<MemberId>,
    sender_nickname: Option<String>,
    text: Option<String>,
    #[sqlx(flatten)]
    media: MediaRow,
    post_id: Option<u64>,
    post_text: Option<String>,
    post_author_id: Option<MemberId>,
    post_author_nickname: Option<String>,
    quote_id: Option<MessageId>,
    quote_sender_id: Option<MemberId>,
    quote_sender_nickname: Option<String>,
    quote_kind: Option<String>,
    quote_text: Option<String>,
    created_at: String,
}

/// All null where the message shows none.
#[derive(FromRow)]
struct MediaRow {
    media_id: Option<MediaId>,
    media_key: Option<String>,
    media_kind: Option<String>,
    media_bytes: Option<u32>,
    media_width: Option<u32>,
    media_height: Option<u32>,
    media_thumbnails: Option<String>,
}

impl MediaRow {
    fn content(self) -> Option<Content> {
        let key = self.media_key?;
        let content_type = self.media_kind?;
        let kind = MediaKind::of_content_type(&content_type)?;
        let media = SharedMedia {
            id: self.media_id?,
            content_type,
            url: media::url(&key),
            bytes: self.media_bytes?,
            width: self.media_width,
            height: self.media_height,
            thumbnails: media::told(&key, self.media_thumbnails.as_deref()),
        };
        Some(match kind {
            MediaKind::Photo => Content::Photo { media },
            MediaKind::Video => Content::Video { media },
            MediaKind::Document => Content::Document { media },
        })
    }
}

impl From<Row> for Message {
    fn from(row: Row) -> Message {
        let shared = row
            .post_id
            .zip(row.post_text)
            .zip(author(row.post_author_id, row.post_author_nickname));
        let post = shared.map(|((id, text), author)| Content::Post {
            post: SharedPost {
                id,
                text: Some(text).filter(|text| !text.is_empty()),
                author,
            },
        });
        let text = row.text.map(|text| Content::Text { text });
        let content = text.or(row.media.content()).or(post).unwrap_or(Content::DeletedPost);
        let quote = row.quote_id.zip(row.quote_kind).map(|(id, kind)| Quote {
            id,
            sender: author(row.quote_sender_id, row.quote_sender_nickname),
            kind,
            text: row.quote_text,
        });
        Message {
            id: row.id,
            room_id: row.room_id,
            sender: author(row.sender_id, row.sender_nickname),
            content,
            quote,
            created_at: row.created_at,
        }
    }
}

pub fn author(id: Option<MemberId>, nickname: Option<String>) -> Option<Author> {
    id.zip(nickname).map(|(id, nickname)| Author { id, nickname })
}

/// Messages with everything that is shown of them, in one query; `$more` columns besides.
macro_rules! select_messages {
    ($more:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $more,
            "messages.id, messages.room_id, senders.id AS sender_id, senders.nickname AS sender_nickname, ",
            "messages.text, media.id AS media_id, media.object_key AS media_key, media.kind AS media_kind, ",
            "media.bytes AS media_bytes, media.width AS media_width, media.height AS media_height, ",
            "media.thumbnails AS media_thumbnails, posts.id AS post_id, posts.text AS post_text, ",
            "authors.id AS post_author_id, authors.nickname AS post_author_nickname, ",
            "quotes.id AS quote_id, quoted.id AS quote_sender_id, quoted.nickname AS quote_sender_nickname, ",
            "quotes.kind AS quote_kind, quotes.text AS quote_text, ",
            "DATE_FORMAT(messages.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at FROM ",
            $from,
            " LEFT JOIN members AS senders ON senders.id = messages.sender_id ",
            "LEFT JOIN media ON media.id = messages.media_id ",
            "LEFT JOIN posts ON posts.id = messages.post_id ",
            "LEFT JOIN members AS authors ON authors.id = posts.member_id ",
            "LEFT JOIN messages AS quotes ON quotes.id = messages.quote_id ",
            "LEFT JOIN members AS quoted ON quoted.id = quotes.sender_id "
        )
    };
}
pub(super) use select_messages;

pub async fn find(executor: impl MySqlExecutor<'_>, room: RoomId, id: MessageId) -> sqlx::Result<Option<Message>> {
    let query = concat!(
        select_messages!("", "messages"),
        "WHERE messages.room_id = ? AND messages.id = ?"
    );
    let row: Option<Row> = sqlx::query_as(query)
        .bind(room)
        .bind(id)
        .fetch_optional(executor)
        .await?;
    Ok(row.map(Message::from))
}

pub async fn newest(pool: &Pool, room: RoomId, page: &Page) -> sqlx::Result<Vec<Message>> {
    let query = concat!(
        select_messages!("", "messages"),
        "WHERE messages.room_id = ? AND messages.id < ? ORDER BY messages.id DESC LIMIT ?"
    );
    let rows: Vec<Row> = sqlx::query_as(query)
        .bind(room)
        .bind(page.before())
        .bind(page.rows_to_fetch())
        .fetch_all(pool)
        .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

pub async fn all(pool: &Pool, ids: impl Iterator<Item = MessageId>) -> sqlx::Result<HashMap<MessageId, Message>> {
    let mut query = QueryBuilder::new(select_messages!("", "messages"));
    // No message has the id 0: it lets the list be empty.
    query.push("WHERE messages.id IN (0");
    for id in ids {
        query.push(", ").push_bind(id);
    }
    let rows: Vec<Row> = query.push(")").build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| (row.id, Message::from(row))).collect())
}
