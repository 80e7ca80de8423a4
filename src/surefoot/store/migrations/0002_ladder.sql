-- What a resume needs to go on from the rung that was reached; what attempts cost; what became of
-- dead letters and undone effects.

ALTER TABLE failures ADD COLUMN changes_kept BLOB;   -- JSON by type, raw: all adapted arguments from then on
ALTER TABLE failures ADD COLUMN fallback_to TEXT;    -- where a fall_back went
ALTER TABLE failures ADD COLUMN cost REAL NOT NULL DEFAULT 0;     -- US dollars of this failed attempt
ALTER TABLE failures ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;

ALTER TABLE calls ADD COLUMN cost REAL NOT NULL DEFAULT 0;        -- US dollars of the attempt that gave the result
ALTER TABLE calls ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN cost_saved REAL NOT NULL DEFAULT 0;   -- of reused calls, in the latest resume

ALTER TABLE dead_letters ADD COLUMN note TEXT;                    -- why it was discarded
CREATE TABLE replays (
    pk        INTEGER PRIMARY KEY,
    letter_pk INTEGER NOT NULL REFERENCES dead_letters (pk),
    at        REAL NOT NULL,
    input     BLOB,                                  -- JSON by type, raw: what it was replayed with
    edited    INTEGER NOT NULL DEFAULT 0,
    outcome   TEXT NOT NULL,                         -- completed or failed
    kind      TEXT,
    message   TEXT                                   -- scrubbed
);
CREATE INDEX replays_by_letter ON replays (letter_pk, pk);

ALTER TABLE compensations ADD COLUMN step TEXT;
ALTER TABLE compensations ADD COLUMN effect_key TEXT;
ALTER TABLE compensations ADD COLUMN generation INTEGER NOT NULL DEFAULT 0
