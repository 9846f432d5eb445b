-- +goose Up
-- Answers that a repeated request gets again (Idempotency-Key), for a day. None
-- holds a secret.
CREATE TABLE idempotency (
    actor        TEXT    NOT NULL, -- who sent the request
    request_key  TEXT    NOT NULL, -- chosen by the client
    route        TEXT    NOT NULL, -- method and pattern
    request_hash TEXT    NOT NULL, -- SHA-256 of address and body
    status       INTEGER NOT NULL, -- of the answer; 0 while there is none
    content_type TEXT    NOT NULL,
    body         BYTEA    NOT NULL, -- empty when the answer held a secret
    created      BIGINT NOT NULL,
    PRIMARY KEY (actor, request_key)
);
CREATE INDEX idempotency_created ON idempotency (created);

-- +goose Down
DROP TABLE idempotency;
