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

-- +goose Down
DROP TABLE ledger_subjects;
DROP TABLE ledger_hashes;
DROP TABLE ledger_details;
DROP TABLE ledger_entries;
DROP TABLE ledger_head;
