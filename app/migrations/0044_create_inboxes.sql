-- How many messages a member has sent or received. Whoever sends holds the rows of both members until the commit, so
-- that a member's messages become visible in the order of their numbers, with none missing in between.
CREATE TABLE inboxes (
    member_id BIGINT UNSIGNED NOT NULL,
    last_seq  BIGINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id),
    CONSTRAINT inboxes_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
