-- One row a sign-in, not one a token: of a session's refresh tokens only the hash of the newest is kept, and whatever
-- else is offered for it is an old one used again.
CREATE TABLE sessions (
    id         BINARY(16)      NOT NULL,
    member_id  BIGINT UNSIGNED NOT NULL,
    token_hash BINARY(32)      NOT NULL,
    expires_at DATETIME(6)     NOT NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    KEY sessions_member (member_id),
    KEY sessions_expiry (expires_at),
    CONSTRAINT sessions_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
