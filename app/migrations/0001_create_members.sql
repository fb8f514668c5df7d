-- One DDL statement a file: MySQL commits each by itself, so a file is applied either wholly or not at all.
-- The names of the unique keys are part of the API: a violation is answered with the field they name.
CREATE TABLE members (
    id            BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    email         VARCHAR(254)    NOT NULL,
    real_name     VARCHAR(50)     NOT NULL,
    nickname      VARCHAR(30)     NOT NULL,
    phone         VARCHAR(16)     NULL,
    password_hash VARCHAR(255)    NOT NULL,
    created_at    DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY members_email_unique (email),
    UNIQUE KEY members_nickname_unique (nickname),
    UNIQUE KEY members_phone_unique (phone)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
