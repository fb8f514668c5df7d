ALTER TABLE media DROP FOREIGN KEY media_member;
