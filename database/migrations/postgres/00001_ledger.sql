-- +goose Up
CREATE TABLE ledger_head (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    size  BIGINT NOT NULL,
    root  BYTEA   NOT NULL, -- RFC 6962 tree hash of the first size entries
    at    BIGINT NOT NULL  -- time of the newest entry, UTC microseconds
);
INSERT INTO ledger_head (id, size, root, at) VALUES (1, 0, '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0); -- the root of the empty tree is SHA-256 of nothing
CREATE TABLE ledger_entries (
    idx   BIGINT PRIMARY KEY,
    leaf  BYTEA   NOT NULL, -- canonical JSON
    hash  BYTEA   NOT NULL, -- RFC 6962 leaf hash
    kind  TEXT    NOT NULL,
    at    BIGINT NOT NULL
);
-- The kinds that come in masses are left out: a search finds them without it.
CREATE INDEX ledger_entries_kind ON ledger_entries (kind, idx) WHERE kind NOT IN ('download.opened', 'download.closed');
CREATE TABLE ledger_details (
    idx     BIGINT PRIMARY KEY REFERENCES ledger_entries (idx),
    salt    BYTEA   NOT NULL,
    details BYTEA   NOT NULL
);
-- The rows of ledger_hashes and ledger_subjects are written 32 entries at a time
-- (database/ledger_tail.go), so that an append touches three pages and not eight.
CREATE TABLE ledger_hashes (
    idx   BIGINT PRIMARY KEY, -- stored hash index, x/mod/sumdb/tlog
    hash  BYTEA   NOT NULL
);
CREATE TABLE ledger_subjects (
    noun  TEXT    NOT NULL, -- dataset, recipient, provision, actor …
    id    TEXT    NOT NULL,
    idx   BIGINT NOT NULL REFERENCES ledger_entries (idx),
    PRIMARY KEY (noun, id, idx)
);
CREATE INDEX ledger_subjects_idx ON ledger_subjects (idx);

-- A leaf that somebody damaged must not make the other entries unreadable.
-- +goose StatementBegin
CREATE FUNCTION ledger_leaf_ids(leaf BYTEA) RETURNS JSONB AS $$
BEGIN
    RETURN convert_from(leaf, 'UTF8')::jsonb -> 'ids';
EXCEPTION WHEN OTHERS THEN
    RETURN '{}'::jsonb;
END
$$ LANGUAGE plpgsql IMMUTABLE;
-- +goose StatementEnd
-- The subjects of all entries; those of the newest, incomplete block are in the leaves.
CREATE VIEW ledger_subject_index (noun, id, idx) AS
    SELECT noun, id, idx FROM ledger_subjects
    UNION ALL
    SELECT j.key, j.value, e.idx
    FROM ledger_entries e, jsonb_each_text(ledger_leaf_ids(e.leaf)) j
    WHERE e.idx >= (SELECT size - size % 32 FROM ledger_head WHERE id = 1);

-- +goose Down
DROP VIEW ledger_subject_index;
DROP FUNCTION ledger_leaf_ids;
DROP TABLE ledger_subjects;
DROP TABLE ledger_hashes;
DROP TABLE ledger_details;
DROP TABLE ledger_entries;
DROP TABLE ledger_head;
