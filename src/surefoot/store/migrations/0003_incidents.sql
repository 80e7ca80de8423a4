-- What a postmortem tells: the whole record of a failure, the process that saw it, and incidents, which
-- are all failures of one fingerprint.

CREATE TABLE processes (
    pk     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,                 -- host, boot, pid and start: one process, surely
    at     REAL NOT NULL,                        -- of its first failure
    detail TEXT NOT NULL                         -- JSON, scrubbed: host, versions, packages, git commit
);

ALTER TABLE failures ADD COLUMN process_pk INTEGER REFERENCES processes (pk);
ALTER TABLE failures ADD COLUMN detail TEXT;     -- JSON, scrubbed: frames, causes, inputs, breadcrumbs

CREATE TABLE incidents (
    pk          INTEGER PRIMARY KEY,
    fingerprint TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    category    TEXT NOT NULL,
    severity    TEXT NOT NULL,
    step        TEXT NOT NULL,                   -- '' is the workflow's own code
    stage       TEXT,
    type        TEXT NOT NULL,
    message     TEXT NOT NULL,                   -- scrubbed, of the first failure
    state       TEXT NOT NULL,                   -- open, acknowledged, muted or resolved
    owner       TEXT,
    first_at    REAL NOT NULL,
    last_at     REAL NOT NULL,
    failures    INTEGER NOT NULL,
    opened_at   REAL NOT NULL,                   -- of the latest opening
    muted_until REAL,                            -- NULL while muted: until a person says otherwise
    resolved_at REAL,
    resolved_by TEXT,                            -- a person, or 'recovery'
    regressions INTEGER NOT NULL DEFAULT 0,      -- openings after it had been resolved
    quiet       REAL,                            -- seconds without a failure before the latest of them
    merged_into INTEGER REFERENCES incidents (pk)
);
CREATE INDEX incidents_by_state ON incidents (state, last_at);

CREATE TABLE incident_events (
    pk          INTEGER PRIMARY KEY,
    incident_pk INTEGER NOT NULL REFERENCES incidents (pk),
    at          REAL NOT NULL,
    event       TEXT NOT NULL,                   -- opened, regressed, acknowledged, muted, unmuted,
                                                 -- resolved, merged, assigned or note
    author      TEXT,                            -- NULL: Surefoot itself
    note        TEXT                             -- scrubbed
);
CREATE INDEX incident_events_by_incident ON incident_events (incident_pk, pk)
