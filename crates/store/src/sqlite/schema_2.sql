-- Schema 2: fewer pages to change for an event, counts of a group by hour, and groups found by rule and party.

-- Visible events of a group by hour, which lie by day first: what one transaction changes lies together.
CREATE TABLE grp_hour (day INTEGER NOT NULL, grp INTEGER NOT NULL, hour INTEGER NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (day, grp, hour)) WITHOUT ROWID;
-- Filled from the events by open.rs, an hour at a time.
DROP TABLE grp_day;

-- Addresses by which groups are found; public ones as the first of their network, see row.rs.
CREATE TABLE grp_net (net BLOB NOT NULL, grp INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (net, grp))
    WITHOUT ROWID;
-- Row by row: what is put in order at once takes memory, and the rows come in order but for a few.
INSERT INTO grp_net SELECT network(addr), grp, n FROM grp_addr WHERE true ON CONFLICT DO UPDATE SET n = n + excluded.n;
DROP TABLE grp_addr;

-- From here on grp_sig has rows only of groups whose events are of several rules.
UPDATE grp SET sig = coalesce((SELECT s.sig FROM grp_sig s WHERE s.grp = grp.id), sig) WHERE sigs = 1 AND n + hidden > 0;
DELETE FROM grp_sig WHERE grp IN (SELECT id FROM grp WHERE sigs <= 1);

CREATE INDEX grp_rule ON grp (sid, gid);
CREATE INDEX grp_client ON grp (client);
CREATE INDEX grp_server ON grp (server);
