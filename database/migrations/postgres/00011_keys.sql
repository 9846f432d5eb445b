-- +goose Up
-- Versions of the key-encryption key: prepared (every node must have it before
-- it is used), current (wraps), old, closing (nothing more may be wrapped under
-- it), destroyed.
ALTER TABLE server_keys ADD COLUMN state TEXT NOT NULL DEFAULT '';
ALTER TABLE server_keys ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE server_keys ADD COLUMN changed BIGINT NOT NULL DEFAULT 0;
UPDATE server_keys SET state = 'old', provider = 'file', changed = added WHERE purpose = 'kek';
UPDATE server_keys SET state = 'current' WHERE purpose = 'kek'
    AND id = (SELECT max(id) FROM server_keys WHERE purpose = 'kek');

-- Which version wraps a challenge stood in front of it before. Open challenges
-- last a quarter of an hour: whoever has one asks for another.
ALTER TABLE recipient_keys ADD COLUMN challenge_kek_id TEXT NOT NULL DEFAULT '';
UPDATE recipient_keys SET challenge = ''::bytea, challenge_expires = 0;

CREATE INDEX recipient_keys_kek ON recipient_keys (challenge_kek_id, id);
CREATE INDEX agreement_documents_kek ON agreement_documents (kek_id, agreement_id);

-- Which versions a running node has at hand.
CREATE TABLE kek_holders (
    node   TEXT   NOT NULL, -- random, of one run
    name   TEXT   NOT NULL, -- for people
    kek_id TEXT   NOT NULL,
    seen   BIGINT NOT NULL,
    PRIMARY KEY (node, kek_id)
);

-- +goose Down
DROP TABLE kek_holders;
DROP INDEX agreement_documents_kek;
DROP INDEX recipient_keys_kek;
ALTER TABLE recipient_keys DROP COLUMN challenge_kek_id;
ALTER TABLE server_keys DROP COLUMN changed;
ALTER TABLE server_keys DROP COLUMN provider;
ALTER TABLE server_keys DROP COLUMN state;
