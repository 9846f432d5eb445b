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
    approved_until BIGINT NOT NULL,
    applied_by     TEXT    NOT NULL,
    applied_at     BIGINT NOT NULL,
    decided_by     TEXT    NOT NULL,
    decided_at     BIGINT NOT NULL,
    reason         TEXT    NOT NULL,
    updated_at     BIGINT NOT NULL,
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
    valid_from      BIGINT NOT NULL,
    valid_until     BIGINT NOT NULL,
    review_at       BIGINT NOT NULL,
    added_by        TEXT    NOT NULL,
    added_at        BIGINT NOT NULL,
    ended_by        TEXT    NOT NULL,
    ended_at        BIGINT NOT NULL,
    end_reason      TEXT    NOT NULL,
    UNIQUE (recipient_id, number)
);
CREATE TABLE agreement_documents (
    agreement_id TEXT PRIMARY KEY REFERENCES agreements (id),
    kek_id       TEXT NOT NULL,
    sealed       BYTEA NOT NULL -- under the KEK
);
CREATE TABLE recipient_keys (
    id                TEXT    PRIMARY KEY,
    recipient_id      TEXT    NOT NULL REFERENCES recipients (id),
    public            TEXT    NOT NULL UNIQUE,
    fingerprint       TEXT    NOT NULL,
    post_quantum      BOOLEAN NOT NULL,
    holder            TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    expires_at        BIGINT NOT NULL,
    added_by          TEXT    NOT NULL,
    added_at          BIGINT NOT NULL,
    proved_at         BIGINT NOT NULL,
    approved_by       TEXT    NOT NULL,
    approved_at       BIGINT NOT NULL,
    revoked_by        TEXT    NOT NULL,
    revoked_at        BIGINT NOT NULL,
    independence      TEXT    NOT NULL,
    challenge         BYTEA    NOT NULL, -- under the KEK; empty when none is open
    challenge_expires BIGINT NOT NULL
);
CREATE INDEX recipient_keys_recipient ON recipient_keys (recipient_id, added_at);

-- +goose Down
DROP TABLE recipient_keys;
DROP TABLE agreement_documents;
DROP TABLE agreements;
DROP TABLE recipients;
