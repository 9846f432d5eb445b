-- +goose Up
-- When three administrators were first shown to be independent of each other:
-- from then on nobody confirms alone what they had a hand in (access/pair.go).
ALTER TABLE setup_code ADD COLUMN latched_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE setup_code DROP COLUMN latched_at;
