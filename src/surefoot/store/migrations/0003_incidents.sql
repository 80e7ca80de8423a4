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
CREATE INDEX incidents_by_merge ON incidents (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX failures_by_incident ON failures (fingerprint, run_pk, call_id);

CREATE TABLE body_failures (                     -- of a workflow's own code: no attempt of a step failed
    pk          INTEGER PRIMARY KEY,
    run_pk      INTEGER NOT NULL REFERENCES runs (pk),
    fingerprint TEXT NOT NULL,
    at          REAL NOT NULL
);
CREATE INDEX body_failures_by_incident ON body_failures (fingerprint, run_pk);
CREATE INDEX body_failures_by_run ON body_failures (run_pk);

CREATE TABLE incident_events (
    pk          INTEGER PRIMARY KEY,
    incident_pk INTEGER NOT NULL REFERENCES incidents (pk),
    at          REAL NOT NULL,
    event       TEXT NOT NULL,                   -- opened, regressed, acknowledged, muted, unmuted,
                                                 -- resolved, merged, assigned or note
    author      TEXT,                            -- NULL: Surefoot itself
    note        TEXT                             -- scrubbed
);
CREATE INDEX incident_events_by_incident ON incident_events (incident_pk, pk);

-- What older journals saw: an incident for each fingerprint, settled where nothing is outstanding.
INSERT INTO body_failures (run_pk, fingerprint, at)
SELECT pk, json_extract(error, '$.fingerprint'), coalesce(ended_at, started_at)
FROM runs WHERE status = 'halted' AND json_valid(error) AND json_array_length(error, '$.calls') = 0
AND json_extract(error, '$.fingerprint') IS NOT NULL;

INSERT INTO incidents (fingerprint, kind, category, severity, step, stage, type, message, state,
    first_at, last_at, failures, opened_at)
SELECT f.fingerprint, f.kind, f.category, f.severity, f.step, f.stage, f.type, f.message, 'open',
    g.first_at, g.last_at, g.failures, g.first_at
FROM (SELECT min(pk) AS pk, min(at) AS first_at, max(at) AS last_at, count(*) AS failures
    FROM failures GROUP BY fingerprint) g JOIN failures f ON f.pk = g.pk ORDER BY g.first_at, f.pk;

INSERT INTO incidents (fingerprint, kind, category, severity, step, stage, type, message, state,
    first_at, last_at, failures, opened_at)
SELECT b.fingerprint, coalesce(json_extract(r.error, '$.kind'), 'unknown'),
    coalesce(json_extract(r.error, '$.category'), 'code'), 'error', '', NULL,
    coalesce(json_extract(r.error, '$.type'), ''), coalesce(json_extract(r.error, '$.message'), ''),
    'open', b.first_at, b.last_at, b.failures, b.first_at
FROM (SELECT fingerprint, min(run_pk) AS run_pk, min(at) AS first_at, max(at) AS last_at,
    count(*) AS failures FROM body_failures GROUP BY fingerprint) b
JOIN runs r ON r.pk = b.run_pk WHERE true
ON CONFLICT (fingerprint) DO UPDATE SET failures = failures + excluded.failures,
    last_at = max(last_at, excluded.last_at), first_at = min(first_at, excluded.first_at);

UPDATE incidents SET state = 'resolved', resolved_by = 'recovery', resolved_at = last_at
WHERE NOT EXISTS (SELECT 1 FROM failures f JOIN runs r ON r.pk = f.run_pk
    LEFT JOIN calls c ON c.run_pk = f.run_pk AND c.call_id = f.call_id
    LEFT JOIN dead_letters l ON l.run_pk = f.run_pk AND l.call_id = f.call_id AND l.state = 'reopened'
    WHERE f.fingerprint = incidents.fingerprint
    AND r.status IN ('running', 'halted', 'interrupted', 'rolling_back')
    AND (coalesce(c.status, 'running') NOT IN ('completed', 'skipped') OR l.pk IS NOT NULL))
AND NOT EXISTS (SELECT 1 FROM body_failures b JOIN runs r ON r.pk = b.run_pk
    WHERE b.fingerprint = incidents.fingerprint
    AND r.status IN ('running', 'halted', 'interrupted', 'rolling_back'))
AND NOT EXISTS (SELECT 1 FROM dead_letters l JOIN runs r ON r.pk = l.run_pk
    WHERE l.state = 'open' AND l.fingerprint = incidents.fingerprint
    AND (r.status <> 'rolled_back' OR l.step LIKE '%.undo'));

INSERT INTO incident_events (incident_pk, at, event) SELECT pk, first_at, 'opened' FROM incidents;
INSERT INTO incident_events (incident_pk, at, event)
SELECT pk, resolved_at, 'resolved' FROM incidents WHERE state = 'resolved'
