-- A comment without a member is a tombstone: deleted while it had replies, or its member has withdrawn. Both lists,
-- the top level of a post and the replies of a comment, are read newest first from one index each, which also serves
-- to count them.
-- No foreign key holds a reply to its parent: it would keep a post from being deleted with its comments, since one row
-- of a cascade may not touch another of the same table. A parent with replies is deleted only with the whole post.
CREATE TABLE comments (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    post_id    BIGINT UNSIGNED NOT NULL,
    parent_id  BIGINT UNSIGNED NULL,
    member_id  BIGINT UNSIGNED NULL,
    text       VARCHAR(2200)   NOT NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    updated_at DATETIME(6)     NULL,
    PRIMARY KEY (id),
    KEY comments_post_newest (post_id, parent_id, id, member_id),
    KEY comments_parent_newest (parent_id, id, member_id),
    KEY comments_member (member_id),
    CONSTRAINT comments_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE,
    CONSTRAINT comments_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
