-- +goose Up
-- What ends soon, for the report of open ends.
CREATE INDEX links_expires ON links (expires_at, id);
CREATE INDEX provisions_until ON provisions (until, id);

-- What was taken over from an earlier register, so that doing it again changes
-- nothing.
CREATE TABLE imported (
    kind        TEXT   NOT NULL, -- recipient, agreement, dataset, provision
    reference   TEXT   NOT NULL, -- in the earlier register
    id          TEXT   NOT NULL, -- here
    digest      TEXT   NOT NULL, -- hex SHA-256 of the row as it was read
    imported_by TEXT   NOT NULL,
    imported_at INTEGER NOT NULL,
    PRIMARY KEY (kind, reference)
);

-- Provisions of the earlier register stand apart from ours: they have no parcel,
-- manifest or receipt, and nothing that works on a provision finds them.
CREATE TABLE imported_provisions (
    id           TEXT    PRIMARY KEY,
    number       TEXT    NOT NULL, -- as the earlier register has it
    dataset_id   TEXT    NOT NULL,
    version      INTEGER NOT NULL, -- 0: not known
    recipient_id TEXT    NOT NULL REFERENCES recipients (id),
    agreement_id TEXT    NOT NULL, -- may be empty
    method       TEXT    NOT NULL,
    class        TEXT    NOT NULL,
    issued_at    INTEGER NOT NULL, -- when the data was provided
    until        INTEGER NOT NULL, -- 0: not known
    imported_by  TEXT    NOT NULL,
    imported_at  INTEGER NOT NULL,
    record       BLOB NOT NULL -- JSON, the provision record
);
CREATE INDEX imported_provisions_issued ON imported_provisions (issued_at, id);
CREATE INDEX imported_provisions_recipient ON imported_provisions (recipient_id, issued_at, id);
CREATE INDEX imported_provisions_dataset ON imported_provisions (dataset_id, issued_at, id);

-- +goose Down
DROP TABLE imported_provisions;
DROP TABLE imported;
DROP INDEX provisions_until;
DROP INDEX links_expires;
