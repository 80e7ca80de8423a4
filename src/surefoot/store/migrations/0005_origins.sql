-- Runs that are at home in an orchestrator, parts of a run, and checkpoint files that were removed.

ALTER TABLE runs ADD COLUMN parent_pk INTEGER REFERENCES runs (pk);  -- the run that it is a part of
ALTER TABLE runs ADD COLUMN origin TEXT;         -- JSON: tool, version, ids, url; NULL: plain Python
CREATE INDEX runs_by_parent ON runs (parent_pk) WHERE parent_pk IS NOT NULL;

CREATE TABLE removed_blobs (                     -- files that prune removed: whoever needs one writes it anew
    digest TEXT PRIMARY KEY,
    at     REAL NOT NULL
)
