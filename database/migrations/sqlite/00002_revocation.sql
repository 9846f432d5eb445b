-- +goose Up
-- One counter that grows with every early end (revoked, suspended, withdrawn):
-- nodes poll it and then look at their live transfers again.
CREATE TABLE revocation (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    counter INTEGER NOT NULL
);
INSERT INTO revocation (id, counter) VALUES (1, 0);

-- +goose Down
DROP TABLE revocation;
