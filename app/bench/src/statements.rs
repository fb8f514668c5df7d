//! The statements that the API runs for each kind of request, word for word. They cannot be taken from its program, so a
//! test finds each of these pieces in its source, and at each run their number is compared with the API's own count.

/// Everything that is shown of the posts whose ids stand between the two halves.
macro_rules! select_posts {
    ($ids:literal) => {
        concat!(
            "SELECT posts.id, NULLIF(posts.text, '') AS text, members.id AS author_id, members.nickname AS author_nickname, \
             DATE_FORMAT(posts.created_at, '%Y-%m-%dT%H:%i:%s.%f+09:00') AS created_at, \
             DATE_FORMAT(COALESCE(posts.updated_at, posts.created_at), '%Y-%m-%dT%H:%i:%s.%f+09:00') AS updated_at, \
             (SELECT COUNT(*) FROM likes WHERE likes.post_id = posts.id) AS like_count, \
             EXISTS (SELECT 1 FROM likes WHERE likes.member_id = ? AND likes.post_id = posts.id) AS liked, \
             (SELECT COUNT(*) FROM comments \
             WHERE comments.post_id = posts.id AND comments.member_id IS NOT NULL) AS comment_count FROM (",
            $ids,
            ") AS page JOIN posts ON posts.id = page.id JOIN members ON members.id = posts.member_id ORDER BY posts.id DESC"
        )
    };
}

pub const FEED: &str = select_posts!(
    "SELECT posts.id FROM follows STRAIGHT_JOIN posts ON posts.member_id = follows.followed_id \
     WHERE follows.follower_id = ? AND posts.id < ? ORDER BY posts.id DESC LIMIT ?"
);
pub const POST: &str = select_posts!("SELECT id FROM posts WHERE id = ?");

/// Followed by the ids of the posts.
pub const PHOTOS: [&str; 2] = [
    "SELECT post_photos.post_id, media.id, media.object_key, media.width, media.height, media.thumbnails \
     FROM post_photos JOIN media ON media.id = post_photos.media_id WHERE post_photos.post_id IN (",
    ") ORDER BY post_photos.post_id, post_photos.position",
];

pub const INSERT_POST: &str = "INSERT INTO posts (member_id, text) VALUES (?, ?)";

/// For one photo; between them stand the post, the photo, the owner, the state and the photo again.
pub const ATTACH: [&str; 6] = [
    "INSERT INTO post_photos (post_id, position, media_id) SELECT ",
    ", FIELD(id",
    ") - 1, id FROM media WHERE member_id = ",
    " AND state = ",
    " AND id IN (",
    ")",
];

pub const LIKE: &str = "INSERT INTO likes (post_id, member_id) VALUES (?, ?)";

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything between quotes in some of the app's files, without white space.
    fn strings_of_the_app() -> String {
        let files = ["likes.rs", "posts.rs", "posts/photos.rs", "posts/post.rs"];
        let source = files.map(|file| {
            let path = format!("{}/../src/{file}", env!("CARGO_MANIFEST_DIR"));
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
        });
        let source = source.concat();
        let strings = source.split('"').skip(1).step_by(2);
        strings.flat_map(packed).collect()
    }

    fn packed(text: &str) -> impl Iterator<Item = char> {
        text.chars().filter(|c| !c.is_whitespace() && *c != '\\')
    }

    #[test]
    fn every_statement_here_is_one_of_the_app_s() {
        let app = strings_of_the_app();
        let halves = |select: &'static str, ids: &'static str| [select.split(ids).collect(), vec![ids]].concat();
        let feed_ids = FEED
            .split("FROM (")
            .last()
            .and_then(|rest| rest.split(") AS page").next());
        let feed_ids = feed_ids.expect("the ids of the feed");
        let pieces = [
            halves(FEED, feed_ids),
            halves(POST, "SELECT id FROM posts WHERE id = ?"),
            PHOTOS.to_vec(),
            ATTACH.to_vec(),
            vec![INSERT_POST, LIKE],
        ];
        for piece in pieces.concat() {
            let wanted: String = packed(piece).collect();
            assert!(
                app.contains(&wanted),
                "the app no longer runs this: bring app/bench/src/statements.rs in line with it\n{piece}"
            );
        }
    }
}
