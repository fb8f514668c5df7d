-- Null until the first update, so that a release that does not know the column goes on making posts as before.
ALTER TABLE posts ADD COLUMN updated_at DATETIME(6) NULL;
