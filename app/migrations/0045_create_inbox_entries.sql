-- The messages of a member by their numbers, which are what live delivery resumes from.
CREATE TABLE inbox_entries (
    member_id  BIGINT UNSIGNED NOT NULL,
    seq        BIGINT UNSIGNED NOT NULL,
    message_id BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (member_id, seq),
    KEY inbox_entries_message (message_id),
    CONSTRAINT inbox_entries_inbox FOREIGN KEY (member_id) REFERENCES inboxes (member_id) ON DELETE CASCADE,
    CONSTRAINT inbox_entries_message FOREIGN KEY (message_id) REFERENCES messages (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
