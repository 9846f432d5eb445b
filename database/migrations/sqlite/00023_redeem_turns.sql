-- +goose Up
-- How far each address has used up its turns at redeeming links, where several
-- nodes share a database; on SQLite the one process counts for itself.
CREATE TABLE redeem_turns (
    key TEXT    PRIMARY KEY, -- address, or /64 of IPv6
    due INTEGER NOT NULL     -- when all turns are free again
);
CREATE INDEX redeem_turns_due ON redeem_turns (due);

-- +goose Down
DROP TABLE redeem_turns;
