-- Schema 1. Times are nanoseconds since 1970 unless they are called seconds, days or hours.

CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Dictionaries: what repeats in events, as small integers. 0 stands for "none" in the columns that refer to them.
CREATE TABLE stream (id INTEGER PRIMARY KEY, node TEXT NOT NULL, boot INTEGER NOT NULL, UNIQUE (node, boot));
CREATE TABLE word (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, text TEXT NOT NULL, UNIQUE (kind, text));
CREATE TABLE sig (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, rule TEXT NOT NULL);
CREATE TABLE party (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, namespace TEXT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL);
CREATE TABLE pod (id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, pod TEXT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, UNIQUE (namespace, pod, kind, name));

-- A row per group. n, first, last, severity: of events that no suppression hides; if there is none, of all.
CREATE TABLE grp (
    id INTEGER PRIMARY KEY,
    hash INTEGER NOT NULL UNIQUE,
    gid INTEGER NOT NULL,
    sid INTEGER NOT NULL,
    sig INTEGER NOT NULL,
    sigs INTEGER NOT NULL,
    sev INTEGER NOT NULL,
    client INTEGER NOT NULL,
    server INTEGER NOT NULL,
    inspection INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    n INTEGER NOT NULL,
    hidden INTEGER NOT NULL,
    shapes INTEGER NOT NULL,
    unclear INTEGER NOT NULL,
    cip BLOB, sip BLOB, sport INTEGER,
    status INTEGER NOT NULL DEFAULT 0,
    assignee TEXT,
    reason INTEGER,
    reason_text TEXT,
    covers INTEGER,
    covers_until INTEGER,
    comments INTEGER NOT NULL DEFAULT 0,
    reopened_at INTEGER,
    reopened_why TEXT,
    version INTEGER NOT NULL DEFAULT 1,
    touch INTEGER NOT NULL
);
CREATE INDEX grp_last ON grp (last);
CREATE INDEX grp_n ON grp (n);
CREATE INDEX grp_touch ON grp (touch);
CREATE TABLE grp_sig (grp INTEGER NOT NULL, sig INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (grp, sig))
    WITHOUT ROWID;
CREATE TABLE grp_pod (grp INTEGER NOT NULL, side INTEGER NOT NULL, pod INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (grp, side, pod)) WITHOUT ROWID;
CREATE TABLE grp_addr (addr BLOB NOT NULL, grp INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (addr, grp))
    WITHOUT ROWID;
CREATE TABLE grp_shape (grp INTEGER NOT NULL, shape INTEGER NOT NULL, n INTEGER NOT NULL, hidden INTEGER NOT NULL,
    last INTEGER NOT NULL, opened_at INTEGER, opened_by TEXT, PRIMARY KEY (grp, shape)) WITHOUT ROWID;
CREATE TABLE grp_day (grp INTEGER NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (grp, day))
    WITHOUT ROWID;

-- cip … sport are of the client and the server of the flow. flags: see row.rs. got: seconds.
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    t INTEGER NOT NULL,
    got INTEGER NOT NULL,
    grp INTEGER NOT NULL,
    sig INTEGER NOT NULL,
    sev INTEGER NOT NULL,
    sup INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    cpod INTEGER NOT NULL,
    spod INTEGER NOT NULL,
    iface INTEGER NOT NULL,
    service INTEGER NOT NULL,
    proto INTEGER NOT NULL,
    cip BLOB, sip BLOB, cport INTEGER, sport INTEGER,
    shape INTEGER,
    flow INTEGER,
    observed INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX event_seq ON event (stream, seq);
-- Histograms, facets and walks in the order of time read this index and not the rows.
CREATE INDEX event_t ON event (t, id, grp, sev, sup);
CREATE INDEX event_grp ON event (grp, t);
CREATE INDEX event_sup ON event (sup) WHERE sup > 0;

-- Events that nothing hides. An event in two namespaces counts in both.
CREATE TABLE roll_hour (hour INTEGER NOT NULL, sev INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (hour, sev))
    WITHOUT ROWID;
CREATE TABLE roll_ns (hour INTEGER NOT NULL, ns INTEGER NOT NULL, sev INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (hour, ns, sev)) WITHOUT ROWID;
CREATE TABLE roll_day (day INTEGER NOT NULL, sig INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (day, sig))
    WITHOUT ROWID;

CREATE TABLE suppression (id INTEGER PRIMARY KEY AUTOINCREMENT, word INTEGER NOT NULL, what TEXT NOT NULL,
    author TEXT NOT NULL, created INTEGER NOT NULL, version INTEGER NOT NULL, removed INTEGER);
CREATE TABLE silenced (word INTEGER NOT NULL, day INTEGER NOT NULL, n INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (word, day)) WITHOUT ROWID;
-- Suppressions whose hidden events are to come back.
CREATE TABLE reveal (word INTEGER PRIMARY KEY);
CREATE TABLE exception (name TEXT PRIMARY KEY, description TEXT NOT NULL, selector TEXT NOT NULL,
    theirs INTEGER NOT NULL, start INTEGER NOT NULL, finish INTEGER, author TEXT NOT NULL, created INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE view (id INTEGER PRIMARY KEY AUTOINCREMENT, owner TEXT NOT NULL, name TEXT NOT NULL,
    shared INTEGER NOT NULL, url TEXT NOT NULL, changed INTEGER NOT NULL, UNIQUE (owner, name));
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL,
    action TEXT NOT NULL, grp INTEGER, detail TEXT NOT NULL);
CREATE INDEX audit_grp ON audit (grp, id) WHERE grp IS NOT NULL;
CREATE INDEX audit_who ON audit (who, id);
-- A group as it was before an action. version: as the action left it.
CREATE TABLE undo (token TEXT NOT NULL, grp INTEGER NOT NULL, at INTEGER NOT NULL, version INTEGER NOT NULL,
    before TEXT NOT NULL, PRIMARY KEY (token, grp)) WITHOUT ROWID;
CREATE INDEX undo_at ON undo (at);
