-- +goose Up
CREATE TABLE datasets (
    id          TEXT    PRIMARY KEY,
    title       TEXT    NOT NULL,
    description TEXT    NOT NULL,
    search      TEXT    NOT NULL, -- title and description, case folded
    class       TEXT    NOT NULL,
    source_kind TEXT    NOT NULL,
    language    TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    latest      INTEGER NOT NULL
);
CREATE INDEX datasets_created ON datasets (created_at, id);
CREATE TABLE dataset_versions (
    dataset_id    TEXT    NOT NULL REFERENCES datasets (id),
    number        INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    items         TEXT    NOT NULL, -- JSON list
    terms         TEXT    NOT NULL,
    terms_sha256  TEXT    NOT NULL,
    schema_text   TEXT    NOT NULL, -- datapackage.json as given
    profile       TEXT    NOT NULL,
    pq_required   BOOLEAN NOT NULL,
    period_from   TEXT    NOT NULL,
    period_to     TEXT    NOT NULL,
    subjects      INTEGER NOT NULL,
    records       INTEGER NOT NULL,
    file_count    INTEGER NOT NULL,
    total_size    INTEGER NOT NULL,
    digest        TEXT    NOT NULL,
    idempotent_by TEXT    NOT NULL,
    created_by    TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    registered_by TEXT    NOT NULL,
    registered_at INTEGER NOT NULL,
    independence  TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    ended_by      TEXT    NOT NULL,
    ended_at      INTEGER NOT NULL,
    end_reason    TEXT    NOT NULL,
    PRIMARY KEY (dataset_id, number)
);
CREATE UNIQUE INDEX dataset_versions_key ON dataset_versions (created_by, idempotent_by) WHERE idempotent_by <> '';
CREATE INDEX dataset_versions_drafts ON dataset_versions (updated_at) WHERE state = 'draft';
CREATE TABLE sealed_files (
    id             TEXT    PRIMARY KEY,
    state          TEXT    NOT NULL,
    size           INTEGER NOT NULL, -- plaintext bytes
    sha256         TEXT    NOT NULL,
    payload_size   INTEGER NOT NULL,
    payload_sha256 TEXT    NOT NULL,
    kek_id         TEXT    NOT NULL,
    wrapped_key    BLOB    NOT NULL,
    resume         BLOB,
    epoch          INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL
);
CREATE INDEX sealed_files_kek ON sealed_files (kek_id, id);
CREATE TABLE sealed_segments (
    sealed_id  TEXT    NOT NULL REFERENCES sealed_files (id),
    seq        INTEGER NOT NULL,
    object_key TEXT    NOT NULL UNIQUE,
    size       INTEGER NOT NULL,
    PRIMARY KEY (sealed_id, seq)
);
CREATE TABLE gate_reports (
    id         TEXT    PRIMARY KEY,
    sha256     TEXT    NOT NULL,
    profile    TEXT    NOT NULL,
    verdict    TEXT    NOT NULL,
    findings   TEXT    NOT NULL, -- JSON list
    report     BLOB    NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE dataset_files (
    id         TEXT    PRIMARY KEY,
    dataset_id TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    number     INTEGER NOT NULL, -- record in header packs; -1 until registered
    path       TEXT    NOT NULL,
    fold       TEXT    NOT NULL, -- path without regard to case
    items      TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    sealed_id  TEXT    NOT NULL REFERENCES sealed_files (id),
    size       INTEGER NOT NULL,
    sha256     TEXT    NOT NULL, -- empty until complete
    report_id  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    FOREIGN KEY (dataset_id, version) REFERENCES dataset_versions (dataset_id, number)
);
CREATE UNIQUE INDEX dataset_files_path ON dataset_files (dataset_id, version, path);
CREATE UNIQUE INDEX dataset_files_fold ON dataset_files (dataset_id, version, fold);
CREATE INDEX dataset_files_contents ON dataset_files (dataset_id, sha256);
CREATE INDEX dataset_files_sealed ON dataset_files (sealed_id);
CREATE TABLE waivers (
    id           TEXT    PRIMARY KEY,
    dataset_id   TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    finding_id   TEXT    NOT NULL,
    file_sha256  TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    rule         TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    requested_by TEXT    NOT NULL,
    requested_at INTEGER NOT NULL,
    approved_by  TEXT    NOT NULL,
    approved_at  INTEGER NOT NULL,
    rejected_by  TEXT    NOT NULL,
    rejected_at  INTEGER NOT NULL,
    decision     TEXT    NOT NULL,
    expires_at   INTEGER NOT NULL,
    independence TEXT    NOT NULL
);
CREATE INDEX waivers_dataset ON waivers (dataset_id, requested_at, id);

-- +goose Down
DROP TABLE waivers;
DROP TABLE dataset_files;
DROP TABLE gate_reports;
DROP TABLE sealed_segments;
DROP TABLE sealed_files;
DROP TABLE dataset_versions;
DROP TABLE datasets;
