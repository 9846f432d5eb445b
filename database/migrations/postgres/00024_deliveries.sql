-- +goose Up
-- Places at recipients to which parcels are uploaded.
CREATE TABLE destinations (
    id           TEXT   NOT NULL PRIMARY KEY,
    recipient_id TEXT   NOT NULL REFERENCES recipients (id),
    type         TEXT   NOT NULL,
    url          TEXT   NOT NULL, -- without a password
    host_keys    TEXT   NOT NULL, -- JSON list
    login        TEXT   NOT NULL, -- password, key
    public_key   TEXT   NOT NULL,
    config       TEXT   NOT NULL, -- hex SHA-256 of where it leads
    state        TEXT   NOT NULL, -- added, approved, revoked
    added_by     TEXT   NOT NULL,
    added_at     BIGINT NOT NULL,
    approved_by  TEXT   NOT NULL,
    approved_at  BIGINT NOT NULL,
    revoked_by   TEXT   NOT NULL,
    revoked_at   BIGINT NOT NULL,
    reason       TEXT   NOT NULL,
    independence TEXT   NOT NULL,
    kek_id       TEXT   NOT NULL,
    secret       BYTEA  NOT NULL -- wrapped; empty once revoked
);
CREATE INDEX destinations_recipient ON destinations (recipient_id, added_at, id);
CREATE INDEX destinations_kek ON destinations (kek_id, id);

-- How parcels are carried there, one row a provision.
CREATE TABLE deliveries (
    id              TEXT    NOT NULL PRIMARY KEY,
    provision_id    TEXT    NOT NULL REFERENCES provisions (id),
    recipient_id    TEXT    NOT NULL,
    destination_id  TEXT    NOT NULL REFERENCES destinations (id),
    method          TEXT    NOT NULL,
    job_id          TEXT    NOT NULL,
    state           TEXT    NOT NULL, -- queued, sending, sent, confirmed, failed, cancelled
    paused          BOOLEAN NOT NULL,
    manifest_sha256 TEXT    NOT NULL, -- of the parcel that files_done speaks of
    files           BIGINT  NOT NULL,
    files_done      BIGINT  NOT NULL,
    bytes           BIGINT  NOT NULL,
    bytes_done      BIGINT  NOT NULL,
    rate            BIGINT  NOT NULL,
    attempts        BIGINT  NOT NULL,
    last_error      TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    queued_at       BIGINT  NOT NULL,
    started_at      BIGINT  NOT NULL,
    updated_at      BIGINT  NOT NULL,
    ended_at        BIGINT  NOT NULL
);
CREATE INDEX deliveries_queued ON deliveries (queued_at, id);
CREATE INDEX deliveries_provision ON deliveries (provision_id, queued_at, id);
CREATE INDEX deliveries_recipient ON deliveries (recipient_id, queued_at, id);

-- +goose Down
DROP TABLE deliveries;
DROP TABLE destinations;
