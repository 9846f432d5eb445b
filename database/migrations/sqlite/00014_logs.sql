-- +goose Up
-- The N of the ledger's origin ORIGIN/ledger/N; a forced restore begins the next.
CREATE TABLE ledger_log (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
);
INSERT INTO ledger_log (id, number) VALUES (1, 1);
-- Logs that a forced restore ended, as far as they were restored.
CREATE TABLE ledger_closed (
    number     INTEGER PRIMARY KEY,
    size       INTEGER NOT NULL,
    root       BLOB    NOT NULL,
    at         INTEGER NOT NULL, -- time of its newest restored entry
    checkpoint BLOB    NOT NULL, -- the last one known, which may cover lost entries; empty: none
    closed_at  INTEGER NOT NULL
);
CREATE TABLE ledger_archive (
    log       INTEGER NOT NULL REFERENCES ledger_closed (number),
    idx       INTEGER NOT NULL,
    kind      TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    provision TEXT    NOT NULL, -- that the entry is about; empty: none
    leaf      BLOB    NOT NULL,
    salt      BLOB,             -- NULL with details: redacted
    details   BLOB,
    PRIMARY KEY (log, idx)
) WITHOUT ROWID;
CREATE INDEX ledger_archive_provision ON ledger_archive (provision, kind) WHERE provision <> '';

CREATE INDEX requests_state ON requests (state, requested_at, id);

-- +goose Down
DROP INDEX requests_state;
DROP TABLE ledger_archive;
DROP TABLE ledger_closed;
DROP TABLE ledger_log;
