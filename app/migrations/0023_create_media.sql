-- `awaited` until the bytes have come and been looked at, then `ready`. What was only said of it before is overwritten
-- with what was found. The bytes themselves are in the bucket, under a key that cannot be guessed.
CREATE TABLE media (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    member_id  BIGINT UNSIGNED NOT NULL,
    object_key CHAR(32)        NOT NULL,
    kind       VARCHAR(32)     NOT NULL,
    state      VARCHAR(16)     NOT NULL,
    bytes      INT UNSIGNED    NOT NULL,
    width      INT UNSIGNED    NULL,
    height     INT UNSIGNED    NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY media_object_key_unique (object_key),
    KEY media_member_newest (member_id, id),
    CONSTRAINT media_member FOREIGN KEY (member_id) REFERENCES members (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
