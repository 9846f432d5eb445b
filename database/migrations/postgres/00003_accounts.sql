-- +goose Up
CREATE TABLE users (
    id             TEXT    PRIMARY KEY,
    email          TEXT    NOT NULL UNIQUE, -- lower case
    name           TEXT    NOT NULL,
    role           TEXT    NOT NULL,
    recipient_id   TEXT    NOT NULL, -- empty unless role is recipient
    state          TEXT    NOT NULL,
    password_hash  TEXT    NOT NULL, -- argon2id, PHC string; empty until accepted
    invite_hash    TEXT    NOT NULL, -- SHA-256 of the newest code
    invite_expires BIGINT  NOT NULL, -- UTC microseconds; 0 once used
    invited_by     TEXT    NOT NULL,
    changed_by     TEXT    NOT NULL, -- JSON list of user ids
    confirmed_by   TEXT    NOT NULL,
    confirmed_at   BIGINT  NOT NULL,
    sole_confirmed BOOLEAN NOT NULL,
    created_at     BIGINT  NOT NULL,
    last_sign_in   BIGINT  NOT NULL
);
CREATE INDEX users_created ON users (created_at, id);
CREATE INDEX users_invite ON users (invite_hash);
CREATE TABLE tokens (
    id         TEXT   PRIMARY KEY,
    user_id    TEXT   NOT NULL REFERENCES users (id),
    kind       TEXT   NOT NULL, -- api, session
    name       TEXT   NOT NULL,
    hash       TEXT   NOT NULL UNIQUE, -- SHA-256 of the secret
    created_at BIGINT NOT NULL,
    last_used  BIGINT NOT NULL,
    expires_at BIGINT NOT NULL, -- 0: no end of its own
    revoked_at BIGINT NOT NULL
);
CREATE INDEX tokens_user ON tokens (user_id, created_at, id);
CREATE TABLE sign_in_delays (
    key           TEXT    PRIMARY KEY,
    failures      INTEGER NOT NULL,
    since         BIGINT  NOT NULL,
    until         BIGINT  NOT NULL,
    trusted_until BIGINT  NOT NULL
);
CREATE INDEX sign_in_delays_since ON sign_in_delays (since);
-- The one-time code of the first start; its row is also the lock under which
-- accounts change.
CREATE TABLE setup_code (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    hash TEXT    NOT NULL -- SHA-256; empty when none is open
);
INSERT INTO setup_code (id, hash) VALUES (1, '');

-- +goose Down
DROP TABLE setup_code;
DROP TABLE sign_in_delays;
DROP TABLE tokens;
DROP TABLE users;
