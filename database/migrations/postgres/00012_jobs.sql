-- +goose Up
-- Work that survives the process. A row holds identifiers alone, never a secret.
CREATE TABLE jobs (
    id           TEXT   PRIMARY KEY,
    kind         TEXT   NOT NULL,
    destination  TEXT   NOT NULL, -- takes one job at a time
    ids          TEXT   NOT NULL, -- JSON: what it is about
    state        TEXT   NOT NULL, -- queued, running, done, failed, cancelled
    run_at       BIGINT NOT NULL, -- when it is due; the end of the lease of a running one
    attempt      BIGINT NOT NULL, -- fences workers that lost their lease
    failures     BIGINT NOT NULL,
    max_failures BIGINT NOT NULL, -- 0: it never gives up
    last_error   TEXT   NOT NULL,
    worker       TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    ended_at     BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state IN ('queued', 'running');
-- However many workers ask at once, a destination has one running job.
CREATE UNIQUE INDEX jobs_one_running ON jobs (destination) WHERE state = 'running';
CREATE INDEX jobs_destination ON jobs (destination, created_at, id);
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at > 0;

CREATE TABLE webhooks (
    id            TEXT   PRIMARY KEY,
    url           TEXT   NOT NULL,
    description   TEXT   NOT NULL,
    kinds         TEXT   NOT NULL, -- JSON list; empty: every kind
    recipient_id  TEXT   NOT NULL, -- empty: events of all recipients
    state         TEXT   NOT NULL, -- active, disabled
    reason        TEXT   NOT NULL, -- why it is disabled
    next_index    BIGINT NOT NULL, -- the ledger entry that it gets next
    failing_since BIGINT NOT NULL,
    last_success  BIGINT NOT NULL,
    last_error    TEXT   NOT NULL,
    created_by    TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);
-- After a rotation two secrets sign, until the older one ends.
CREATE TABLE webhook_secrets (
    id         TEXT   PRIMARY KEY, -- of the webhook, a dot and the version
    webhook_id TEXT   NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    version    BIGINT NOT NULL,
    kek_id     TEXT   NOT NULL,
    secret     BYTEA NOT NULL, -- wrapped
    expires_at BIGINT NOT NULL, -- 0: it does not end
    UNIQUE (webhook_id, version)
);
CREATE INDEX webhook_secrets_kek ON webhook_secrets (kek_id, id);

-- How far a reader of the ledger has come that must not miss an entry.
CREATE TABLE event_cursors (
    name       TEXT   PRIMARY KEY,
    next_index BIGINT NOT NULL
);

-- +goose Down
DROP TABLE event_cursors;
DROP TABLE webhook_secrets;
DROP TABLE webhooks;
DROP TABLE jobs;
