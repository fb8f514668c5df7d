-- A room as one of its members has it. The newest message and the count of unread ones are written with each message,
-- so that the list of rooms is one scan of `room_members_activity`.
CREATE TABLE room_members (
    room_id         BIGINT UNSIGNED NOT NULL,
    member_id       BIGINT UNSIGNED NOT NULL,
    last_message_id BIGINT UNSIGNED NULL,
    read_message_id BIGINT UNSIGNED NOT NULL DEFAULT 0,
    unread          INT UNSIGNED    NOT NULL DEFAULT 0,
    PRIMARY KEY (room_id, member_id),
    KEY room_members_activity (member_id, last_message_id),
    KEY room_members_last_message (last_message_id),
    CONSTRAINT room_members_room FOREIGN KEY (room_id) REFERENCES rooms (id),
    CONSTRAINT room_members_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE,
    CONSTRAINT room_members_last_message FOREIGN KEY (last_message_id) REFERENCES messages (id)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
