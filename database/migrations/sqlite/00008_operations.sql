-- +goose Up
-- Which secrets belong to this database, without showing them: a server whose
-- keys folder lacks one of them does not start.
CREATE TABLE server_keys (
    purpose     TEXT    NOT NULL, -- kek, issuer
    id          TEXT    NOT NULL, -- of the key; the origin of the issuer
    check_value TEXT    NOT NULL, -- derived from the key; the fingerprint of the issuer
    added       INTEGER NOT NULL,
    PRIMARY KEY (purpose, id)
);

-- +goose Down
DROP TABLE server_keys;
