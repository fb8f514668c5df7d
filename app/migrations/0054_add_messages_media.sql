-- What a message shows is never deleted under it.
ALTER TABLE messages
    ADD COLUMN media_id BIGINT UNSIGNED NULL,
    ADD KEY messages_media (media_id),
    ADD CONSTRAINT messages_media FOREIGN KEY (media_id) REFERENCES media (id);
