-- What is to be done after the answer, enqueued in the transaction of what causes it. A job that is done is deleted; one
-- that was given up has no `due_at` and stays until somebody looks at it.
CREATE TABLE jobs (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    kind       VARCHAR(30)     NOT NULL,
    payload    MEDIUMTEXT      NOT NULL,
    release_id VARCHAR(64)     NULL,
    attempts   INT UNSIGNED    NOT NULL DEFAULT 0,
    due_at     DATETIME(6)     NULL DEFAULT CURRENT_TIMESTAMP(6),
    claimed_by CHAR(32)        NULL,
    last_error VARCHAR(500)    NULL,
    created_at DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    KEY jobs_kind_due (kind, due_at),
    KEY jobs_claimed (claimed_by)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
