//! Posts with their photos, in their order; then likes and comments, for many posts at once.

use super::{Cast, REQUESTS_AT_ONCE, profile};
use crate::photo::Photo;
use crate::progress::Progress;
use crate::script::{Comment, Post, Who};
use anyhow::Context;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Photos are drawn and uploaded for this many posts ahead.
const POSTS_AHEAD: usize = 3;

/// A post of the script, and which it is at the target.
#[derive(Debug)]
pub struct Posted<'a> {
    id: u64,
    post: &'a Post,
}

pub async fn post<'a>(cast: &Cast, posts: &'a [Post]) -> anyhow::Result<Vec<Posted<'a>>> {
    let progress = Progress::new("posts", posts.len());
    let there = there(cast, posts).await?;
    let mut prepared = stream::iter(posts)
        .map(|post| {
            let id = there.get(&(post.author, post.text)).copied();
            async move {
                match id {
                    Some(id) => Ok((post, Some(id), Vec::new())),
                    None => anyhow::Ok((post, None, upload(cast, post).await?)),
                }
            }
        })
        .buffered(POSTS_AHEAD);
    let mut posted = Vec::new();
    // One after the other, whatever their photos took: the order is what everyone sees.
    while let Some((post, id, photos)) = prepared.try_next().await? {
        let is_new = id.is_none();
        let id = match id {
            Some(id) => id,
            None => {
                let author = cast.member(post.author)?;
                let body = json!({ "text": post.text, "photos": photos });
                let answer = cast.client.post(Some(&author.token), "/api/posts", body).await?;
                answer.expect(StatusCode::CREATED)?.id()?
            }
        };
        posted.push(Posted { id, post });
        progress.step(is_new);
    }
    progress.finish();
    Ok(posted)
}

/// The posts of the script's authors that are there already, by their texts.
async fn there<'a>(cast: &Cast, posts: &'a [Post]) -> anyhow::Result<HashMap<(Who, &'a str), u64>> {
    let mut by_author: HashMap<Who, Vec<&Post>> = HashMap::new();
    for post in posts {
        by_author.entry(post.author).or_default().push(post);
    }
    let mut found = HashMap::new();
    for (author, posts) in by_author {
        let path = format!("{}/posts", profile(cast.member(author)?.nickname));
        for there in all(cast, None, &path, "posts").await? {
            let same = posts.iter().find(|post| there["text"] == post.text);
            if let (Some(post), Some(id)) = (same, there["id"].as_u64()) {
                found.insert((author, post.text), id);
            }
        }
    }
    Ok(found)
}

async fn upload(cast: &Cast, post: &Post) -> anyhow::Result<Vec<u64>> {
    let author = cast.member(post.author)?;
    let mut ids = Vec::new();
    for photo in &post.photos {
        ids.push(cast.client.upload(&author.token, &draw(*photo).await?).await?);
    }
    Ok(ids)
}

/// Off the async threads: a photo takes a moment.
async fn draw(photo: Photo) -> anyhow::Result<Vec<u8>> {
    tokio::task::spawn_blocking(move || photo.jpeg())
        .await
        .context("a photo cannot be drawn")?
}

/// Every entry of a list, page by page.
pub async fn all(cast: &Cast, token: Option<&str>, path: &str, field: &str) -> anyhow::Result<Vec<Value>> {
    let mut entries = Vec::new();
    let mut next = String::new();
    loop {
        let page = cast.client.get(token, &format!("{path}?limit=100{next}")).await?;
        let page = page.expect(StatusCode::OK)?;
        entries.extend(page.list(field)?.iter().cloned());
        match page.body["next"].as_str() {
            Some(cursor) => next = format!("&before={cursor}"),
            None => return Ok(entries),
        }
    }
}

/// Liking twice is the same as once.
pub async fn like(cast: &Cast, posted: &[Posted<'_>]) -> anyhow::Result<()> {
    let likes = posted
        .iter()
        .flat_map(|Posted { id, post }| post.likers.iter().map(move |liker| (*id, *liker)));
    let progress = Progress::new("likes", likes.clone().count());
    let liking = stream::iter(likes).map(async |(id, liker)| {
        let path = format!("/api/posts/{id}/like");
        let answer = cast.client.put(&cast.member(liker)?.token, &path).await?;
        answer.expect(StatusCode::NO_CONTENT)?;
        progress.step(false);
        anyhow::Ok(())
    });
    liking.buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
    progress.finish();
    Ok(())
}

pub async fn comment(cast: &Cast, posted: &[Posted<'_>]) -> anyhow::Result<()> {
    let count = |comment: &Comment| 1 + comment.replies.len();
    let count = posted.iter().flat_map(|posted| &posted.post.comments).map(count).sum();
    let progress = Progress::new("comments", count);
    let commenting = stream::iter(posted).map(async |Posted { id, post }| {
        let path = format!("/api/posts/{id}/comments");
        let there = all(cast, None, &path, "comments").await?;
        for comment in &post.comments {
            let id = say(cast, &path, (comment, None), &there, &progress).await?;
            if comment.replies.is_empty() {
                continue;
            }
            let there = all(cast, None, &format!("/api/comments/{id}/replies"), "comments").await?;
            for reply in &comment.replies {
                say(cast, &path, (reply, Some(id)), &there, &progress).await?;
            }
        }
        anyhow::Ok(())
    });
    commenting
        .buffer_unordered(REQUESTS_AT_ONCE)
        .try_collect::<()>()
        .await?;
    progress.finish();
    Ok(())
}

/// Says it unless its author has said it there already.
async fn say(
    cast: &Cast,
    path: &str,
    (comment, parent): (&Comment, Option<u64>),
    there: &[Value],
    progress: &Progress,
) -> anyhow::Result<u64> {
    let author = cast.member(comment.author)?;
    let same = |there: &&Value| there["author"]["id"] == author.id && there["text"] == comment.text;
    let found = there.iter().find(same).and_then(|there| there["id"].as_u64());
    progress.step(found.is_none());
    if let Some(id) = found {
        return Ok(id);
    }
    let body = match parent {
        Some(parent) => json!({ "text": comment.text, "parent_id": parent }),
        None => json!({ "text": comment.text }),
    };
    let answer = cast.client.post(Some(&author.token), path, body).await?;
    answer.expect(StatusCode::CREATED)?.id()
}
