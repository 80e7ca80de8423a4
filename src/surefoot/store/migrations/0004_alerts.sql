-- Alerts: how far the journal was told of, who knows what, and the messages on their way.

CREATE TABLE alert_reader (
    pk       INTEGER PRIMARY KEY CHECK (pk = 1),
    version  INTEGER NOT NULL,                   -- one more with each evaluation: of two at once, one counts
    since    REAL NOT NULL,                      -- when alerts were set up; what is older is no news
    failures INTEGER NOT NULL,                   -- the last pk that was read, of each of these tables
    letters  INTEGER NOT NULL,
    events   INTEGER NOT NULL
);

CREATE TABLE alert_runs (                        -- ends and deaths of runs that were read
    run_pk INTEGER NOT NULL REFERENCES runs (pk),
    fence  INTEGER NOT NULL,
    what   TEXT NOT NULL,                        -- halted or stale
    PRIMARY KEY (run_pk, fence, what)
);

CREATE TABLE alert_subjects (                    -- what a sink was told of
    subject TEXT NOT NULL,                       -- a fingerprint, run:ID or circuit:NAME
    sink    TEXT NOT NULL,
    rule    TEXT NOT NULL,
    state   TEXT NOT NULL,                       -- told; quiet: it came back and waits for a digest; over
    level   INTEGER NOT NULL,                    -- of the worst that was told
    since   REAL NOT NULL,                       -- when it began
    told_at REAL NOT NULL,                       -- of the latest message
    told_pk INTEGER NOT NULL,                    -- the last failure that it counted
    held    INTEGER NOT NULL,                    -- alerts held back since then
    digests INTEGER NOT NULL,
    over_at REAL,
    mark    TEXT,                                -- of a circuit: which opening
    PRIMARY KEY (subject, sink)
);
CREATE INDEX alert_subjects_by_state ON alert_subjects (state, held);

CREATE TABLE alert_messages (
    pk         INTEGER PRIMARY KEY,
    sink       TEXT NOT NULL,
    subject    TEXT NOT NULL,
    phase      TEXT NOT NULL,                    -- first, digest, resolved or merged
    rule       TEXT NOT NULL,
    severity   TEXT NOT NULL,
    title      TEXT NOT NULL,                    -- scrubbed
    body       TEXT NOT NULL,                    -- scrubbed, Markdown
    state      TEXT NOT NULL,                    -- pending, held, sending, sent, failed or merged
    not_before REAL NOT NULL,                    -- while it is sent: until when its sender surely lives
    attempts   INTEGER NOT NULL DEFAULT 0,
    perhaps    INTEGER NOT NULL DEFAULT 0,       -- a process died while it sent it
    why        TEXT,                             -- scrubbed: why it is held, or what failed
    owner      TEXT,                             -- JSON: the process that sends it
    holder     TEXT,                             -- which of its senders
    created_at REAL NOT NULL,
    sent_at    REAL,
    merged_into INTEGER REFERENCES alert_messages (pk)
);
CREATE INDEX alert_messages_by_state ON alert_messages (state, sink, pk);

CREATE TABLE alert_sinks (
    sink     TEXT PRIMARY KEY,
    tokens   REAL NOT NULL,                      -- of its rate, as of `at`
    at       REAL NOT NULL,
    sent     INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0          -- attempts that failed
)
