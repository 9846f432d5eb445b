-- +goose Up
ALTER TABLE dataset_versions ADD COLUMN profile_hash TEXT NOT NULL DEFAULT '';
ALTER TABLE dataset_versions ADD COLUMN transform TEXT NOT NULL DEFAULT '';

-- Registered versions that the gate looked at again, under another profile.
CREATE TABLE gate_rechecks (
    id           TEXT   PRIMARY KEY,
    dataset_id   TEXT   NOT NULL,
    version      BIGINT NOT NULL,
    profile      TEXT   NOT NULL,
    profile_hash TEXT   NOT NULL,
    reason       TEXT   NOT NULL,
    verdicts     TEXT   NOT NULL, -- JSON: verdict and number of files; empty until done
    requested_by TEXT   NOT NULL,
    requested_at BIGINT NOT NULL,
    done_at      BIGINT NOT NULL, -- 0 until done
    failed       TEXT   NOT NULL  -- why it gave up, in words
);
CREATE INDEX gate_rechecks_version ON gate_rechecks (dataset_id, version, requested_at);
CREATE TABLE gate_recheck_files (
    recheck_id TEXT NOT NULL REFERENCES gate_rechecks (id),
    path       TEXT NOT NULL,
    report_id  TEXT NOT NULL REFERENCES gate_reports (id),
    PRIMARY KEY (recheck_id, path)
);

-- +goose Down
DROP TABLE gate_recheck_files;
DROP TABLE gate_rechecks;
ALTER TABLE dataset_versions DROP COLUMN transform;
ALTER TABLE dataset_versions DROP COLUMN profile_hash;
