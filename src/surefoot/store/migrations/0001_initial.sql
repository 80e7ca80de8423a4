-- The journal's first schema. Times are seconds since the epoch, durations seconds.

CREATE TABLE runs (
    pk               INTEGER PRIMARY KEY,
    run_id           TEXT NOT NULL UNIQUE,
    workflow         TEXT NOT NULL,
    target           TEXT,                       -- JSON: how the workflow is imported; NULL: from code alone
    status           TEXT NOT NULL,
    input            BLOB NOT NULL,              -- JSON by type: the bound arguments
    input_digest     TEXT NOT NULL,
    format           TEXT,                       -- of the result; NULL: none yet
    result           BLOB,                       -- NULL where it lies in a file
    result_digest    TEXT,
    degraded         INTEGER NOT NULL DEFAULT 0,
    created_at       REAL NOT NULL,
    started_at       REAL NOT NULL,              -- of the latest start or resume
    ended_at         REAL,
    error            TEXT,                       -- JSON, scrubbed: what ended it
    fence            INTEGER NOT NULL,
    owner            TEXT,                       -- JSON; NULL: nobody holds it
    lease_until      REAL,
    takeovers        INTEGER NOT NULL DEFAULT 0, -- in a row, without a new checkpoint
    takeover_mark    INTEGER NOT NULL DEFAULT 0, -- completed calls at the last one
    resumes          INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    reused           INTEGER NOT NULL DEFAULT 0, -- calls, in the latest resume
    time_saved       REAL NOT NULL DEFAULT 0,    -- their recorded durations
    versions         TEXT NOT NULL               -- JSON: surefoot, python, platform
);
CREATE INDEX runs_by_status ON runs (status, created_at);

CREATE TABLE calls (
    seq           INTEGER PRIMARY KEY,
    run_pk        INTEGER NOT NULL REFERENCES runs (pk),
    call_id       TEXT NOT NULL,
    scope         TEXT NOT NULL,                 -- '' is the workflow's own
    step          TEXT NOT NULL,
    form          TEXT NOT NULL,                 -- step, effect or map
    stage         TEXT,
    resource      TEXT,
    ordinal       INTEGER NOT NULL,              -- among the calls of this step in this scope
    digest        TEXT NOT NULL,                 -- of the original arguments
    repeat        INTEGER NOT NULL,              -- how often that same call came before
    parts         TEXT,                          -- JSON: a short digest of each argument, to name drift
    item          INTEGER,
    item_id       TEXT,
    effect_key    TEXT,
    status        TEXT NOT NULL,
    attempts      INTEGER NOT NULL,
    started_at    REAL NOT NULL,
    duration      REAL,
    format        TEXT,                          -- NULL: no checkpoint
    result        BLOB,                          -- NULL where it lies in a file
    result_digest TEXT,
    degraded      TEXT,                          -- the fallback that gave the result
    source        TEXT,                          -- digest of the step's code
    overlapped    INTEGER NOT NULL,
    ended_run     INTEGER NOT NULL DEFAULT 0,    -- a failure that is not replayed
    exception     TEXT,                          -- JSON: to raise it again
    taken_from    TEXT,                          -- the run whose effect this key had
    note          TEXT,
    UNIQUE (run_pk, call_id)
);

CREATE TABLE failures (
    pk             INTEGER PRIMARY KEY,
    run_pk         INTEGER REFERENCES runs (pk),
    call_id        TEXT NOT NULL,
    step           TEXT NOT NULL,
    stage          TEXT,
    item           INTEGER,
    attempt        INTEGER NOT NULL,
    at             REAL NOT NULL,
    kind           TEXT NOT NULL,
    category       TEXT NOT NULL,
    severity       TEXT NOT NULL,
    rule           TEXT NOT NULL,
    fingerprint    TEXT NOT NULL,
    type           TEXT NOT NULL,
    message        TEXT NOT NULL,                -- scrubbed
    stack          TEXT NOT NULL,                -- scrubbed
    classification TEXT NOT NULL,                -- JSON
    decision       TEXT NOT NULL,                -- retry, adapt, fall_back, skip or halt
    reason         TEXT NOT NULL,
    waited         REAL,                         -- what was decided to wait
    changes        TEXT,                         -- JSON: names of adapted arguments
    fallback       TEXT                          -- whose failure it was
);
CREATE INDEX failures_by_run ON failures (run_pk, pk);
CREATE INDEX failures_by_fingerprint ON failures (fingerprint, at);

CREATE TABLE claims (
    effect     TEXT NOT NULL,
    effect_key TEXT NOT NULL,
    generation INTEGER NOT NULL,
    state      TEXT NOT NULL,                    -- held, done, refused, in_doubt or undone
    run_pk     INTEGER REFERENCES runs (pk),
    call_id    TEXT NOT NULL,
    fence      INTEGER NOT NULL,
    asked      INTEGER NOT NULL DEFAULT 0,       -- the body asked for idempotency_key()
    at         REAL NOT NULL,                    -- of the intent
    arguments  BLOB,                             -- JSON by type: what verify and compensate get
    match      TEXT NOT NULL,                    -- JSON: digests of what must not differ
    format     TEXT,
    result     BLOB,
    result_digest TEXT,
    evidence   TEXT,                             -- JSON: what a fenced-out process reported
    PRIMARY KEY (effect, effect_key)
);

CREATE TABLE dead_letters (
    pk          INTEGER PRIMARY KEY,
    run_pk      INTEGER NOT NULL REFERENCES runs (pk),
    call_id     TEXT NOT NULL,
    step        TEXT NOT NULL,
    item        INTEGER,
    item_id     TEXT,
    input       BLOB,                            -- JSON by type, raw: readable by its owner alone
    input_note  TEXT,                            -- why there is no input
    kind        TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    reason      TEXT NOT NULL,
    state       TEXT NOT NULL,                   -- open, replayed, discarded or reopened
    created_at  REAL NOT NULL,
    settled_at  REAL,
    UNIQUE (run_pk, call_id)
);
CREATE INDEX dead_letters_by_state ON dead_letters (state, fingerprint);

CREATE TABLE resources (
    name       TEXT PRIMARY KEY,
    gate_until REAL NOT NULL DEFAULT 0,
    circuit    TEXT NOT NULL DEFAULT 'closed',
    detail     TEXT,                             -- JSON
    updated_at REAL NOT NULL
);

CREATE TABLE compensations (
    pk         INTEGER PRIMARY KEY,
    run_pk     INTEGER NOT NULL REFERENCES runs (pk),
    call_id    TEXT NOT NULL,                    -- of the effect that is undone
    state      TEXT NOT NULL,                    -- pending, done, failed or in_doubt
    attempts   INTEGER NOT NULL DEFAULT 0,
    at         REAL NOT NULL,
    detail     TEXT,
    UNIQUE (run_pk, call_id)
);
