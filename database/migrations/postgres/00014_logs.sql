-- +goose Up
-- The N of the ledger's origin ORIGIN/ledger/N; a forced restore begins the next.
CREATE TABLE ledger_log (
    id     BIGINT PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL
);
INSERT INTO ledger_log (id, number) VALUES (1, 1);
-- Logs that a forced restore ended, as far as they were restored.
CREATE TABLE ledger_closed (
    number     BIGINT PRIMARY KEY,
    size       BIGINT NOT NULL,
    root       BYTEA  NOT NULL,
    at         BIGINT NOT NULL, -- time of its newest restored entry
    checkpoint BYTEA  NOT NULL, -- the last one known, which may cover lost entries; empty: none
    closed_at  BIGINT NOT NULL
);
CREATE TABLE ledger_archive (
    log       BIGINT NOT NULL REFERENCES ledger_closed (number),
    idx       BIGINT NOT NULL,
    kind      TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    provision TEXT   NOT NULL, -- that the entry is about; empty: none
    leaf      BYTEA  NOT NULL,
    salt      BYTEA,            -- NULL with details: redacted
    details   BYTEA,
    PRIMARY KEY (log, idx)
);
CREATE INDEX ledger_archive_provision ON ledger_archive (provision, kind) WHERE provision <> '';

CREATE INDEX requests_state ON requests (state, requested_at, id);

-- +goose Down
DROP INDEX requests_state;
DROP TABLE ledger_archive;
DROP TABLE ledger_closed;
DROP TABLE ledger_log;
