-- +goose Up
CREATE TABLE notices (
    id           TEXT PRIMARY KEY,
    class        TEXT    NOT NULL,
    version      INTEGER NOT NULL, -- counts per class
    items        TEXT    NOT NULL, -- JSON list
    methods      TEXT    NOT NULL, -- JSON list
    text         TEXT    NOT NULL,
    published_by TEXT    NOT NULL,
    published_at INTEGER NOT NULL,
    UNIQUE (class, version)
) WITHOUT ROWID;
CREATE INDEX notices_published ON notices (published_at, id);

CREATE TABLE requests (
    id              TEXT PRIMARY KEY,
    state           TEXT    NOT NULL,
    dataset_id      TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    path_glob       TEXT    NOT NULL,
    recipient_id    TEXT    NOT NULL,
    agreement_id    TEXT    NOT NULL,
    key_id          TEXT    NOT NULL,
    key_fingerprint TEXT    NOT NULL,
    purpose         TEXT    NOT NULL,
    words           TEXT    NOT NULL,
    duo             TEXT    NOT NULL, -- JSON list
    basis           TEXT    NOT NULL,
    method          TEXT    NOT NULL,
    destination     TEXT    NOT NULL,
    notice_id       TEXT    NOT NULL REFERENCES notices (id),
    items           TEXT    NOT NULL, -- JSON list
    file_count      INTEGER NOT NULL,
    total_size      INTEGER NOT NULL,
    until           INTEGER NOT NULL,
    refs            TEXT    NOT NULL, -- JSON list of name and value
    frozen          TEXT    NOT NULL, -- hex SHA-256 of facts
    facts           BLOB    NOT NULL, -- canonical JSON of all that the approver approves
    requested_by    TEXT    NOT NULL,
    requested_at    INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    decided_by      TEXT    NOT NULL,
    decided_at      INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    provision_id    TEXT    NOT NULL,
    independence    TEXT    NOT NULL
) WITHOUT ROWID;
CREATE INDEX requests_requested ON requests (requested_at, id);
CREATE INDEX requests_recipient ON requests (recipient_id, requested_at, id);

CREATE TABLE request_comments (
    number     INTEGER PRIMARY KEY,
    request_id TEXT    NOT NULL REFERENCES requests (id),
    user_id    TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    at         INTEGER NOT NULL
);
CREATE INDEX request_comments_request ON request_comments (request_id, number);

-- Running numbers without gaps: the row is locked until the provision that took
-- the number is committed.
CREATE TABLE provision_numbers (
    series TEXT PRIMARY KEY,
    last   INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE provisions (
    id              TEXT PRIMARY KEY,
    number          TEXT    NOT NULL UNIQUE,
    request_id      TEXT    NOT NULL UNIQUE REFERENCES requests (id),
    dataset_id      TEXT    NOT NULL,
    version         INTEGER NOT NULL,
    recipient_id    TEXT    NOT NULL,
    agreement_id    TEXT    NOT NULL,
    key_id          TEXT    NOT NULL,
    key_fingerprint TEXT    NOT NULL,
    method          TEXT    NOT NULL,
    class           TEXT    NOT NULL,
    until           INTEGER NOT NULL,
    state           TEXT    NOT NULL,
    file_count      INTEGER NOT NULL,
    path_glob       TEXT    NOT NULL,
    pack_key        TEXT    NOT NULL UNIQUE,
    pack_sha256     TEXT    NOT NULL,
    header_size     INTEGER NOT NULL,
    documents       TEXT    NOT NULL, -- JSON list
    manifest_sha256 TEXT    NOT NULL,
    receipt         TEXT    NOT NULL, -- C2SP tlog-proof, empty until made
    entry_index     INTEGER NOT NULL, -- of the entry that vouches for the manifest, -1 until known
    reissue         INTEGER NOT NULL,
    issued_by       TEXT    NOT NULL,
    issued_at       INTEGER NOT NULL,
    revoked_by      TEXT    NOT NULL,
    revoked_at      INTEGER NOT NULL,
    revoke_reason   TEXT    NOT NULL,
    acknowledged_by TEXT    NOT NULL,
    acknowledged_at INTEGER NOT NULL,
    independence    TEXT    NOT NULL,
    record          BLOB    NOT NULL -- JSON, the provision record
) WITHOUT ROWID;
CREATE INDEX provisions_issued ON provisions (issued_at, id);
CREATE INDEX provisions_recipient ON provisions (recipient_id, issued_at, id);
CREATE INDEX provisions_dataset ON provisions (dataset_id, version, issued_at, id);

-- +goose Down
DROP TABLE provisions;
DROP TABLE provision_numbers;
DROP TABLE request_comments;
DROP TABLE requests;
DROP TABLE notices;
