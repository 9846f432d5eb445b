-- +goose Up
CREATE TABLE links (
    id           TEXT PRIMARY KEY,
    provision_id TEXT    NOT NULL REFERENCES provisions (id),
    recipient_id TEXT    NOT NULL,
    bind         TEXT    NOT NULL,
    max_uses     BIGINT NOT NULL,
    uses         BIGINT NOT NULL,
    not_before   BIGINT NOT NULL,
    expires_at   BIGINT NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   BIGINT NOT NULL,
    revoked_by   TEXT    NOT NULL,
    revoked_at   BIGINT NOT NULL,
    CHECK (uses <= max_uses)
);
CREATE INDEX links_created ON links (created_at, id);
CREATE INDEX links_provision ON links (provision_id, created_at, id);
CREATE INDEX links_recipient ON links (recipient_id, created_at, id);

-- What a redeemed link gives; the secret itself is nowhere.
CREATE TABLE download_sessions (
    id           TEXT PRIMARY KEY,
    link_id      TEXT    NOT NULL REFERENCES links (id),
    provision_id TEXT    NOT NULL,
    recipient_id TEXT    NOT NULL,
    hash         TEXT    NOT NULL UNIQUE, -- SHA-256 of the secret, hex
    holder       TEXT    NOT NULL,
    opened_at    BIGINT NOT NULL,
    closed_at    BIGINT NOT NULL, -- when download.closed was written
    address      TEXT    NOT NULL,
    agent        TEXT    NOT NULL
);
CREATE INDEX download_sessions_open ON download_sessions (opened_at, id) WHERE closed_at = 0;

-- Answered byte requests. No ledger entries: download.closed sums them up.
CREATE TABLE transfers (
    id         TEXT PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES download_sessions (id),
    path       TEXT COLLATE "C" NOT NULL,
    from_byte  BIGINT NOT NULL,
    bytes      BIGINT NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX transfers_session ON transfers (session_id, path, from_byte, bytes);

-- +goose Down
DROP TABLE transfers;
DROP TABLE download_sessions;
DROP TABLE links;
