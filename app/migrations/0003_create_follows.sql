-- Both lists of a member, whom he follows and who follows him, are read newest first by `ORDER BY id DESC`.
CREATE TABLE follows (
    id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    follower_id BIGINT UNSIGNED NOT NULL,
    followed_id BIGINT UNSIGNED NOT NULL,
    created_at  DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY follows_once_unique (follower_id, followed_id),
    KEY follows_follower_newest (follower_id, id),
    KEY follows_followed_newest (followed_id, id),
    CONSTRAINT follows_follower FOREIGN KEY (follower_id) REFERENCES members (id) ON DELETE CASCADE,
    CONSTRAINT follows_followed FOREIGN KEY (followed_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
