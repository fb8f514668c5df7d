-- The photos of a post in their order. A post goes with its photos' entries; the photos themselves stay their owner's.
CREATE TABLE post_photos (
    post_id  BIGINT UNSIGNED  NOT NULL,
    position TINYINT UNSIGNED NOT NULL,
    media_id BIGINT UNSIGNED  NOT NULL,
    PRIMARY KEY (post_id, position),
    UNIQUE KEY post_photos_once_unique (media_id, post_id),
    CONSTRAINT post_photos_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE,
    CONSTRAINT post_photos_media FOREIGN KEY (media_id) REFERENCES media (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
