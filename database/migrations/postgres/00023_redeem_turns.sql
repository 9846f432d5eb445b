-- +goose Up
-- How far each address has used up its turns at redeeming links, for all nodes.
-- After a crash everybody begins anew, so nothing of it has to be durable.
CREATE UNLOGGED TABLE redeem_turns (
    key TEXT   PRIMARY KEY, -- address, or /64 of IPv6
    due BIGINT NOT NULL     -- when all turns are free again, by the clock of the database
);
CREATE INDEX redeem_turns_due ON redeem_turns (due);

-- +goose Down
DROP TABLE redeem_turns;
