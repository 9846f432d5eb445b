-- +goose Up
CREATE TABLE recipients (
    id             TEXT    PRIMARY KEY,
    name           TEXT    NOT NULL,
    country        TEXT    NOT NULL,
    address        TEXT    NOT NULL,
    representative TEXT    NOT NULL,
    email          TEXT    NOT NULL,
    contacts       TEXT    NOT NULL, -- JSON list
    state          TEXT    NOT NULL,
    approved_until INTEGER NOT NULL,
    applied_by     TEXT    NOT NULL,
    applied_at     INTEGER NOT NULL,
    decided_by     TEXT    NOT NULL,
    decided_at     INTEGER NOT NULL,
    reason         TEXT    NOT NULL,
    updated_at     INTEGER NOT NULL,
    independence   TEXT    NOT NULL
);
CREATE TABLE agreements (
    id              TEXT    PRIMARY KEY,
    recipient_id    TEXT    NOT NULL REFERENCES recipients (id),
    number          TEXT    NOT NULL,
    document_name   TEXT    NOT NULL,
    document_sha256 TEXT    NOT NULL,
    purposes        TEXT    NOT NULL, -- JSON lists
    methods         TEXT    NOT NULL,
    classes         TEXT    NOT NULL,
    handlers        TEXT    NOT NULL,
    places          TEXT    NOT NULL,
    valid_from      INTEGER NOT NULL,
    valid_until     INTEGER NOT NULL,
    review_at       INTEGER NOT NULL,
    added_by        TEXT    NOT NULL,
    added_at        INTEGER NOT NULL,
    ended_by        TEXT    NOT NULL,
    ended_at        INTEGER NOT NULL,
    end_reason      TEXT    NOT NULL,
    UNIQUE (recipient_id, number)
);
CREATE TABLE agreement_documents (
    agreement_id TEXT PRIMARY KEY REFERENCES agreements (id),
    kek_id       TEXT NOT NULL,
    sealed       BLOB NOT NULL -- under the KEK
);
CREATE TABLE recipient_keys (
    id                TEXT    PRIMARY KEY,
    recipient_id      TEXT    NOT NULL REFERENCES recipients (id),
    public            TEXT    NOT NULL UNIQUE,
    fingerprint       TEXT    NOT NULL,
    post_quantum      BOOLEAN NOT NULL,
    holder            TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    expires_at        INTEGER NOT NULL,
    added_by          TEXT    NOT NULL,
    added_at          INTEGER NOT NULL,
    proved_at         INTEGER NOT NULL,
    approved_by       TEXT    NOT NULL,
    approved_at       INTEGER NOT NULL,
    revoked_by        TEXT    NOT NULL,
    revoked_at        INTEGER NOT NULL,
    independence      TEXT    NOT NULL,
    challenge         BLOB    NOT NULL, -- under the KEK; empty when none is open
    challenge_expires INTEGER NOT NULL
);
CREATE INDEX recipient_keys_recipient ON recipient_keys (recipient_id, added_at);

-- +goose Down
DROP TABLE recipient_keys;
DROP TABLE agreement_documents;
DROP TABLE agreements;
DROP TABLE recipients;
