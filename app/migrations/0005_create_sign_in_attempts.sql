-- How often a password was tried lately for one account or from one address, whose name is kept only as its hash.
CREATE TABLE sign_in_attempts (
    subject        BINARY(32)   NOT NULL,
    attempts       INT UNSIGNED NOT NULL,
    window_ends_at DATETIME(6)  NOT NULL,
    PRIMARY KEY (subject),
    KEY sign_in_attempts_end (window_ends_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
