-- +goose Up
-- Keys of named domains, under which identifiers are replaced. A destroyed one
-- leaves its row, without the key: its domain is used up.
CREATE TABLE deid_keys (
    id           TEXT   NOT NULL PRIMARY KEY,
    domain       TEXT   NOT NULL UNIQUE,
    state        TEXT   NOT NULL,
    kek_id       TEXT   NOT NULL,
    wrapped      BLOB NOT NULL,
    exports      INTEGER NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   INTEGER NOT NULL,
    destroyed_by TEXT   NOT NULL,
    destroyed_at INTEGER NOT NULL,
    reason       TEXT   NOT NULL
);
CREATE INDEX deid_keys_kek ON deid_keys (kek_id, id);

-- People who objected, as keyed hashes of their source keys.
CREATE TABLE objection_batches (
    id       TEXT   NOT NULL PRIMARY KEY,
    keys     INTEGER NOT NULL,
    added    INTEGER NOT NULL,
    reason   TEXT   NOT NULL,
    added_by TEXT   NOT NULL,
    added_at INTEGER NOT NULL
);
CREATE TABLE objections (
    hash     TEXT NOT NULL PRIMARY KEY,
    batch_id TEXT NOT NULL REFERENCES objection_batches (id)
);

-- +goose Down
DROP TABLE objections;
DROP TABLE objection_batches;
DROP TABLE deid_keys;
