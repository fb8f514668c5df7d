-- Likes of a post are counted, and its likers listed newest first, in `likes_post_newest` alone; whether a member likes
-- it, and liking it only once, is the unique key. Deleting the post or the member deletes the like.
CREATE TABLE likes (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    post_id    BIGINT UNSIGNED NOT NULL,
    member_id  BIGINT UNSIGNED NOT NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY likes_member_post_unique (member_id, post_id),
    KEY likes_post_newest (post_id, id),
    CONSTRAINT likes_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE,
    CONSTRAINT likes_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
