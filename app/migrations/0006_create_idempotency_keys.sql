-- The answer to a create that came with an `Idempotency-Key`, for as long as it may be sent again. It goes with its
-- member, of whom nothing is kept.
CREATE TABLE idempotency_keys (
    slot        BINARY(32)      NOT NULL,
    fingerprint BINARY(32)      NOT NULL,
    member_id   BIGINT UNSIGNED NULL,
    location    VARCHAR(255)    NOT NULL DEFAULT '',
    body        MEDIUMTEXT      NULL,
    expires_at  DATETIME(6)     NOT NULL,
    PRIMARY KEY (slot),
    KEY idempotency_keys_member (member_id),
    KEY idempotency_keys_expiry (expires_at),
    CONSTRAINT idempotency_keys_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
