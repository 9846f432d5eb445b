-- +goose Up
-- What one person wants to destroy and another confirms. A confirmed disposal is
-- carried out whatever happens: the next start goes on with it.
CREATE TABLE disposals (
    id           TEXT PRIMARY KEY,
    kind         TEXT    NOT NULL, -- destroy, redact, yearly
    year         INTEGER NOT NULL, -- of a yearly one, else 0
    reason       TEXT    NOT NULL,
    state        TEXT    NOT NULL, -- proposed, confirmed, done, rejected
    proposed_by  TEXT    NOT NULL,
    proposed_at  INTEGER NOT NULL,
    decided_by   TEXT    NOT NULL,
    decided_at   INTEGER NOT NULL,
    decision     TEXT    NOT NULL,
    independence TEXT    NOT NULL,
    finished_at  INTEGER NOT NULL,
    certificate  BLOB    NOT NULL, -- canonical JSON; empty until done
    signature    TEXT    NOT NULL, -- OpenSSH signature of it
    lease_by     TEXT    NOT NULL DEFAULT '', -- the process that carries it out
    lease_until  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX disposals_proposed ON disposals (proposed_at, id);
CREATE TABLE disposal_items (
    disposal_id TEXT    NOT NULL REFERENCES disposals (id),
    number      INTEGER NOT NULL, -- from 1
    kind        TEXT    NOT NULL, -- version, entry, provision, application
    ref         TEXT    NOT NULL, -- ID@VERSION, index or id
    due         INTEGER NOT NULL,
    held_by     TEXT    NOT NULL,
    held_at     INTEGER NOT NULL,
    held_reason TEXT    NOT NULL,
    done        BOOLEAN NOT NULL,
    result      BLOB    NOT NULL, -- JSON; empty until done
    PRIMARY KEY (disposal_id, number)
) WITHOUT ROWID;
CREATE INDEX disposal_items_ref ON disposal_items (kind, ref);
-- Objects that no row names any more and that must be gone before the item is
-- done.
CREATE TABLE doomed_objects (
    object_key  TEXT PRIMARY KEY,
    disposal_id TEXT    NOT NULL,
    number      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX doomed_objects_item ON doomed_objects (disposal_id, number, object_key);
-- Retention periods that differ from the program's own.
CREATE TABLE retention_periods (
    kind   TEXT PRIMARY KEY,
    period INTEGER NOT NULL, -- years, or days for what the program removes itself
    set_by TEXT    NOT NULL,
    set_at INTEGER NOT NULL,
    reason TEXT    NOT NULL
) WITHOUT ROWID;
-- Ended downloads whose address and program are still known.
CREATE INDEX download_sessions_closed ON download_sessions (closed_at) WHERE closed_at > 0 AND (address <> '' OR agent <> '');

-- +goose Down
DROP INDEX download_sessions_closed;
DROP TABLE retention_periods;
DROP TABLE doomed_objects;
DROP TABLE disposal_items;
DROP TABLE disposals;
