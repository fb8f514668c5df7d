//! Black-box tests of the API over HTTP at `BASE_URL`. Every test makes its own members with random names, so that they
//! may run at once and again on one database.

#[path = "api/access.rs"]
mod access;
#[path = "api/accounts.rs"]
mod accounts;
#[path = "api/attachments.rs"]
mod attachments;
#[path = "api/attempts.rs"]
mod attempts;
#[path = "api/client.rs"]
mod client;
#[path = "api/comments.rs"]
mod comments;
#[path = "api/document.rs"]
mod document;
#[path = "api/files.rs"]
mod files;
#[path = "api/follows.rs"]
mod follows;
#[path = "api/forgery.rs"]
mod forgery;
#[path = "api/idempotency.rs"]
mod idempotency;
#[path = "api/likes.rs"]
mod likes;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/live.rs"]
mod live;
#[path = "api/media.rs"]
mod media;
#[path = "api/members.rs"]
mod members;
#[path = "api/messages.rs"]
mod messages;
#[path = "api/operations.rs"]
mod operations;
#[path = "api/photos.rs"]
mod photos;
#[path = "api/posts.rs"]
mod posts;
#[path = "api/problems.rs"]
mod problems;
#[path = "api/profiles.rs"]
mod profiles;
#[path = "api/queries.rs"]
mod queries;
#[path = "api/refresh.rs"]
mod refresh;
#[path = "api/rooms.rs"]
mod rooms;
#[path = "api/sessions.rs"]
mod sessions;
#[path = "api/thumbnails.rs"]
mod thumbnails;
