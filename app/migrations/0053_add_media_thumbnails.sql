-- Sizes, such as `320x240 1080x810`; empty until they are made; null where nothing has asked for any yet, which the sweep
-- then does. What has been `removed` for a while is swept, from the bucket and from here.
ALTER TABLE media
    ADD COLUMN thumbnails VARCHAR(100) NULL,
    ADD COLUMN removed_at DATETIME(6) NULL,
    ADD KEY media_state (state, created_at);
