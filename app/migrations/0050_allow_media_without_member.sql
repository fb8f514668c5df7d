-- Media may outlive their member, in the messages of others. So says the foreign key of the next migration; the old one,
-- which takes them along, goes with the one after it, so that none is ever without.
ALTER TABLE media MODIFY member_id BIGINT UNSIGNED NULL;
