-- Never changed and never deleted. A message is exactly one of text and shared post, which its `kind` says for good: a
-- post since deleted leaves a null here. A quote is of the same room by its foreign key. Photos will be another kind
-- with a column of their own.
CREATE TABLE messages (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    room_id    BIGINT UNSIGNED NOT NULL,
    sender_id  BIGINT UNSIGNED NULL,
    kind       VARCHAR(10)     NOT NULL,
    text       VARCHAR(2000)   NULL,
    post_id    BIGINT UNSIGNED NULL,
    quote_id   BIGINT UNSIGNED NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY messages_id_room_unique (id, room_id),
    KEY messages_room_newest (room_id, id),
    KEY messages_sender (sender_id),
    KEY messages_post (post_id),
    KEY messages_quote (quote_id, room_id),
    CONSTRAINT messages_room FOREIGN KEY (room_id) REFERENCES rooms (id),
    CONSTRAINT messages_sender FOREIGN KEY (sender_id) REFERENCES members (id) ON DELETE SET NULL,
    CONSTRAINT messages_post FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE SET NULL,
    CONSTRAINT messages_quote FOREIGN KEY (quote_id, room_id) REFERENCES messages (id, room_id),
    CONSTRAINT messages_text CHECK ((kind = 'text') = (text IS NOT NULL))
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
