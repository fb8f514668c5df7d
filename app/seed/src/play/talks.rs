//! Direct messages: line by line, and many rooms at once.

use super::posts::all;
use super::{Cast, REQUESTS_AT_ONCE};
use crate::progress::Progress;
use crate::script::Talk;
use anyhow::bail;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::StatusCode;
use serde_json::json;

pub async fn talk(cast: &Cast, talks: &[Talk]) -> anyhow::Result<()> {
    let progress = Progress::new("messages", talks.iter().map(|talk| talk.lines.len()).sum());
    let talking = stream::iter(talks).map(|talk| speak(cast, talk, &progress));
    talking.buffer_unordered(REQUESTS_AT_ONCE).try_collect::<()>().await?;
    progress.finish();
    Ok(())
}

/// The lines that are not in the room yet.
async fn speak(cast: &Cast, talk: &Talk, progress: &Progress) -> anyhow::Result<()> {
    let (first, second) = (cast.member(talk.first)?, cast.member(talk.second)?);
    let body = json!({ "member_id": second.id });
    let room = cast.client.post(Some(&first.token), "/api/rooms", body).await?;
    if !matches!(room.status, StatusCode::CREATED | StatusCode::OK) {
        bail!(
            "a room of `{}` and `{}`: {} {}",
            first.nickname,
            second.nickname,
            room.status,
            room.body
        );
    }
    let path = format!("/api/rooms/{}/messages", room.id()?);
    let said = all(cast, Some(&first.token), &path, "messages").await?;
    for (line, speaker) in talk.lines.iter().zip([first, second].into_iter().cycle()) {
        let is_new = !said
            .iter()
            .any(|said| said["sender"]["id"] == speaker.id && said["text"] == *line);
        if is_new {
            let answer = cast
                .client
                .post(Some(&speaker.token), &path, json!({ "text": line }))
                .await?;
            answer.expect(StatusCode::CREATED)?;
        }
        progress.step(is_new);
    }
    Ok(())
}
