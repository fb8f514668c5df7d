//! The photos of a post: its author's own media, in the order that the author gave. One photo may be in several posts.
//! Posts from before every post needed a photo may have none.

use super::PostId;
use crate::interface::schema::written_as;
use crate::media::{self, MediaId, Thumbnail};
use crate::members::MemberId;
use serde::Serialize;
use sqlx::{FromRow, MySql, MySqlConnection, MySqlExecutor, QueryBuilder};
use std::collections::{BTreeSet, HashMap};
use utoipa::ToSchema;
use utoipa::openapi::ArrayBuilder;

const LEAST: usize = 1;
const MOST: usize = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photos(Vec<MediaId>);

written_as!(
    Photos,
    ArrayBuilder::new()
        .items(MediaId::schema())
        .min_items(Some(LEAST))
        .max_items(Some(MOST))
        .unique_items(true)
);

#[derive(Debug, Serialize, ToSchema)]
pub struct Photo {
    id: MediaId,
    url: String,
    width: u32,
    height: u32,
    /// Smaller copies, none until they are made.
    thumbnails: Vec<Thumbnail>,
}

impl Photos {
    pub fn parse(ids: &[MediaId]) -> Result<Photos, String> {
        if !(LEAST..=MOST).contains(&ids.len()) {
            return Err(format!("must be {LEAST} to {MOST} photos; there are {}", ids.len()));
        }
        if ids.iter().map(|id| id.0).collect::<BTreeSet<_>>().len() < ids.len() {
            return Err("must not hold one photo twice".to_owned());
        }
        Ok(Photos(ids.to_vec()))
    }
}

/// Whether all photos are the owner's and ready; if not, what was done here must be rolled back.
pub async fn attach(
    transaction: &mut MySqlConnection,
    post: PostId,
    owner: MemberId,
    Photos(ids): &Photos,
) -> sqlx::Result<bool> {
    let mut query = QueryBuilder::<MySql>::new("INSERT INTO post_photos (post_id, position, media_id) SELECT ");
    query.push_bind(post).push(", FIELD(id");
    for id in ids {
        query.push(", ").push_bind(*id);
    }
    query.push(") - 1, id FROM media WHERE member_id = ").push_bind(owner);
    query.push(" AND state = ").push_bind(media::READY).push(" AND id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    query.push(")");
    let attached = query.build().execute(transaction).await?;
    Ok(attached.rows_affected() == ids.len() as u64)
}

pub async fn detach(transaction: &mut MySqlConnection, post: PostId) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM post_photos WHERE post_id = ?")
        .bind(post)
        .execute(transaction)
        .await
        .map(drop)
}

#[derive(FromRow)]
struct Row {
    post_id: u64,
    id: MediaId,
    object_key: String,
    width: u32,
    height: u32,
    thumbnails: Option<String>,
}

/// Of many posts in one query.
pub async fn of(
    executor: impl MySqlExecutor<'_>,
    posts: impl ExactSizeIterator<Item = PostId>,
) -> sqlx::Result<HashMap<u64, Vec<Photo>>> {
    let mut found: HashMap<u64, Vec<Photo>> = HashMap::new();
    if posts.len() == 0 {
        return Ok(found);
    }
    let mut query = QueryBuilder::<MySql>::new(
        "SELECT post_photos.post_id, media.id, media.object_key, media.width, media.height, media.thumbnails \
         FROM post_photos JOIN media ON media.id = post_photos.media_id WHERE post_photos.post_id IN (",
    );
    let mut list = query.separated(", ");
    for post in posts {
        list.push_bind(post);
    }
    query.push(") ORDER BY post_photos.post_id, post_photos.position");
    let rows: Vec<Row> = query.build_query_as().fetch_all(executor).await?;
    for row in rows {
        found.entry(row.post_id).or_default().push(Photo {
            id: row.id,
            url: media::url(&row.object_key),
            width: row.width,
            height: row.height,
            thumbnails: media::told(&row.object_key, row.thumbnails.as_deref()),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_has_1_to_10_photos_none_of_them_twice() {
        let ids = |range: std::ops::RangeInclusive<u64>| range.map(MediaId).collect::<Vec<_>>();
        assert!(Photos::parse(&[]).is_err());
        assert!(Photos::parse(&ids(1..=1)).is_ok());
        assert!(Photos::parse(&ids(1..=10)).is_ok());
        assert!(Photos::parse(&ids(1..=11)).is_err());
        assert!(Photos::parse(&[MediaId(1), MediaId(2), MediaId(1)]).is_err());
    }
}
