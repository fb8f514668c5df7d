-- One room a pair: the smaller id first, so that a pair has one spelling. A room outlives its members, and with it the
-- history; of a member who has withdrawn only the null is left.
CREATE TABLE rooms (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    low_member_id  BIGINT UNSIGNED NULL,
    high_member_id BIGINT UNSIGNED NULL,
    created_at     DATETIME(6)     NOT NULL DEFAULT CURRENT_TIMESTAMP(6),
    PRIMARY KEY (id),
    UNIQUE KEY rooms_pair_unique (low_member_id, high_member_id),
    KEY rooms_high_member (high_member_id),
    CONSTRAINT rooms_low_member FOREIGN KEY (low_member_id) REFERENCES members (id) ON DELETE SET NULL,
    CONSTRAINT rooms_high_member FOREIGN KEY (high_member_id) REFERENCES members (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
