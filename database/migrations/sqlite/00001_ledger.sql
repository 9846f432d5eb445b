-- +goose Up
CREATE TABLE ledger_head (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    size  INTEGER NOT NULL,
    root  BLOB    NOT NULL, -- RFC 6962 tree hash of the first size entries
    at    INTEGER NOT NULL  -- time of the newest entry, UTC microseconds
);
INSERT INTO ledger_head (id, size, root, at) VALUES (1, 0, X'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 0); -- the root of the empty tree is SHA-256 of nothing
CREATE TABLE ledger_entries (
    idx   INTEGER PRIMARY KEY,
    leaf  BLOB    NOT NULL, -- canonical JSON
    hash  BLOB    NOT NULL, -- RFC 6962 leaf hash
    kind  TEXT    NOT NULL,
    at    INTEGER NOT NULL
);
-- The kinds that come in masses are left out: a search finds them without it.
CREATE INDEX ledger_entries_kind ON ledger_entries (kind, idx) WHERE kind NOT IN ('download.opened', 'download.closed');
CREATE TABLE ledger_details (
    idx     INTEGER PRIMARY KEY REFERENCES ledger_entries (idx),
    salt    BLOB    NOT NULL,
    details BLOB    NOT NULL
);
-- The rows of ledger_hashes and ledger_subjects are written 32 entries at a time
-- (database/ledger_tail.go), so that an append touches three pages and not eight.
CREATE TABLE ledger_hashes (
    idx   INTEGER PRIMARY KEY, -- stored hash index, x/mod/sumdb/tlog
    hash  BLOB    NOT NULL
);
CREATE TABLE ledger_subjects (
    noun  TEXT    NOT NULL, -- dataset, recipient, provision, actor …
    id    TEXT    NOT NULL,
    idx   INTEGER NOT NULL REFERENCES ledger_entries (idx),
    PRIMARY KEY (noun, id, idx)
) WITHOUT ROWID;
CREATE INDEX ledger_subjects_idx ON ledger_subjects (idx);

-- The subjects of all entries; those of the newest, incomplete block are in the leaves.
CREATE VIEW ledger_subject_index (noun, id, idx) AS
    SELECT noun, id, idx FROM ledger_subjects
    UNION ALL
    SELECT j.key, j.value, e.idx
    FROM ledger_entries e,
         json_each(CASE WHEN json_valid(CAST(e.leaf AS TEXT)) THEN CAST(e.leaf AS TEXT) ELSE '{}' END, '$.ids') j
    WHERE e.idx >= (SELECT size - size % 32 FROM ledger_head WHERE id = 1);

-- +goose Down
DROP VIEW ledger_subject_index;
DROP TABLE ledger_subjects;
DROP TABLE ledger_hashes;
DROP TABLE ledger_details;
DROP TABLE ledger_entries;
DROP TABLE ledger_head;
