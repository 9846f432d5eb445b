-- +goose Up
-- When three administrators were first shown to be independent of each other:
-- from then on nobody confirms alone what they had a hand in (access/pair.go).
ALTER TABLE setup_code ADD COLUMN latched_at BIGINT NOT NULL DEFAULT 0;

-- The newest, incomplete block has less than 32 entries. The limit tells the planner
-- so, which else expects a third of the ledger there.
CREATE OR REPLACE VIEW ledger_subject_index (noun, id, idx) AS
    SELECT noun, id, idx FROM ledger_subjects
    UNION ALL
    SELECT j.key, j.value, e.idx
    FROM (SELECT idx, leaf FROM ledger_entries
          WHERE idx >= (SELECT size - size % 32 FROM ledger_head WHERE id = 1) ORDER BY idx LIMIT 32) e,
         jsonb_each_text(ledger_leaf_ids(e.leaf)) j;

-- +goose Down
CREATE OR REPLACE VIEW ledger_subject_index (noun, id, idx) AS
    SELECT noun, id, idx FROM ledger_subjects
    UNION ALL
    SELECT j.key, j.value, e.idx
    FROM ledger_entries e, jsonb_each_text(ledger_leaf_ids(e.leaf)) j
    WHERE e.idx >= (SELECT size - size % 32 FROM ledger_head WHERE id = 1);
ALTER TABLE setup_code DROP COLUMN latched_at;
