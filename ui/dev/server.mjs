// A manager that is none: serves dist/ and the API of the pages from memory, for development only. No dependency.
//
//   node dev/server.mjs [--port 8443] [--groups 1000000] [--empty] [--auth TOKEN] [--live 4]
//
// Groups are made from their number, so that a million of them cost nothing; the first hundred are drawn by hand to
// look like a cluster. Actions, undo, tuning and the stream work and are forgotten at exit.
import { createServer } from 'node:http';
import { readFileSync, existsSync } from 'node:fs';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeEvent, makeWhy, formatEvent } from './events.mjs';
import { ACTORS, RULES, fieldsCatalogue, inspections, nodes, sinks } from './seed.mjs';

const argument = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? '');
};
const PORT = Number(argument('port', process.env.PORT ?? '8443'));
const COUNT = process.argv.includes('--empty') ? 0 : Number(argument('groups', '1000000'));
const AUTH = argument('auth', '');
const LIVE = Number(argument('live', '0'));
const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
const START = Date.now();

/** Deterministic noise. */
const hash = (n) => {
  let x = (n + 0x9e3779b9) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
};
const iso = (at) => new Date(at).toISOString();
const levelOf = (s) => (s >= 95 ? 'critical' : s >= 80 ? 'high' : s >= 60 ? 'medium' : s >= 30 ? 'low' : 'info');
const idOf = (n) => (0x7a91000000000000n + BigInt(n) * 0x10001n).toString(16);
const numberOf = (id) => Number((BigInt(`0x${id}`) - 0x7a91000000000000n) / 0x10001n);

const changed = new Map();
const undos = new Map();
const suppressions = [];
const audit = [];
let views = [{ name: 'High and worse', url: '/alerts?q=severity%3E%3Dhigh' }];
const opened = new Set();

/** Statuses, so that counts are exact without looking at a million rows: 1 in 16 is not open. */
const baseStatus = (n) =>
  n < 4
    ? 'open'
    : hash(n * 7) % 16 === 0
      ? ['escalated', 'acknowledged', 'dismissed', 'dismissed'][hash(n) % 4]
      : 'open';

function party(actor) {
  return {
    display: actor.ns ? `${actor.ns}/${actor.name}` : actor.name,
    namespace: actor.ns ?? null,
    kind: actor.kind ?? null,
    name: actor.ns ? actor.name : null,
    pods: actor.pods ?? 0,
    addresses: [actor.ip],
    address_count: actor.pods ?? 1,
  };
}

export function group(n) {
  const rule = RULES[n < RULES.length ? n : hash(n) % RULES.length];
  const h = hash(n * 31 + 5);
  const client = ACTORS[rule.client ?? h % ACTORS.length];
  const server = ACTORS[rule.server ?? 4 + ((h >>> 8) % (ACTORS.length - 4))];
  const last = START - Math.floor(n * 1700 + (hash(n * 3) % 900) + (n < 3 ? 4000 : 20_000));
  const count = rule.count ?? 1 + (h % 97 === 0 ? hash(n) % 9000 : h % 60);
  const first = last - (rule.age ?? (hash(n * 13) % 200) * 3_600_000);
  const spark = Array.from({ length: 24 }, (_, i) =>
    rule.count > 3000
      ? 120 + (hash(n * 24 + i) % 90)
      : hash(n * 24 + i) % 5 === 0 || i > 21
        ? (hash(n + i * 7) % (4 + count / 3)) | 0
        : 0,
  );
  const own = {
    id: idOf(n),
    gid: rule.gid ?? 1,
    sid: rule.sid,
    rev: rule.rev ?? 1,
    msg: rule.msg,
    classtype: rule.classtype,
    severity: rule.severity,
    level: levelOf(rule.severity),
    action: 'alert',
    client: party(client),
    server: party(server),
    server_port: rule.port,
    inspection: server.ns ? `${server.ns}/${server.name}-dpi` : null,
    service: rule.service,
    mitre: rule.mitre ?? [],
    count,
    shapes: rule.shapes ?? 1 + (h % 3),
    first_seen: iso(Math.min(first, last)),
    last_seen: iso(last),
    status: baseStatus(n),
    assignee: n === 4 ? 'ana' : null,
    reason: null,
    comments: n === 0 ? 1 : 0,
    reopened_at: rule.reopened ? iso(last - 60_000) : null,
    noisy: rule.noisy ?? false,
    visibility: rule.partial ? 'partial' : 'full',
    blind_spots: rule.partial ? ['encrypted'] : [],
    spark,
    version: 1,
  };
  if (own.status === 'dismissed') own.reason = 'expected';
  return { ...own, ...changed.get(own.id) };
}

/** As much of the query language as trying things out needs: words, field:value, severity>=x, -term. */
function matcher(q, res) {
  const tests = [];
  for (const found of (q ?? '').matchAll(/(-?)(?:([a-z_]+)(:|>=|<=|=|>|<))?("(?:[^"\\]|\\.)*"|\([^)]*\)|\S+)/gi)) {
    const [whole, not, field, operator, raw] = found;
    if (/^and$/i.test(whole)) continue;
    const value = raw.replace(/^"|"$/g, '').toLowerCase();
    const known = {
      severity: 1,
      sev: 1,
      level: 1,
      ns: 1,
      namespace: 1,
      client_namespace: 1,
      server_namespace: 1,
      sid: 1,
      gid: 1,
      msg: 1,
      workload: 1,
      client: 1,
      server: 1,
      service: 1,
      classtype: 1,
      class: 1,
      inspection: 1,
      node: 1,
      direction: 1,
      mitre: 1,
      tactic: 1,
      visibility: 1,
      is: 1,
      has: 1,
      status: 1,
      client_ip: 1,
      protocol: 1,
      ip: 1,
    };
    if (field && !known[field.toLowerCase()]) {
      const offset = Buffer.byteLength(q.slice(0, found.index + not.length));
      const near = Object.keys(known).find((name) => name[0] === field[0]) ?? 'severity';
      problem(res, 400, 'The query cannot be read', `There is no field "${field}".`, {
        offset,
        length: field.length,
        suggestion: near,
      });
      return null;
    }
    const order = ['info', 'low', 'medium', 'high', 'critical'];
    const test = (g) => {
      const ns = [g.client.namespace, g.server.namespace];
      switch ((field ?? '').toLowerCase()) {
        case 'severity':
        case 'sev':
        case 'level': {
          const have = order.includes(value) ? order.indexOf(g.level) : g.severity;
          const want = order.includes(value) ? order.indexOf(value) : Number(value);
          return operator === '>='
            ? have >= want
            : operator === '<='
              ? have <= want
              : operator === '>'
                ? have > want
                : operator === '<'
                  ? have < want
                  : have === want;
        }
        case 'ns':
        case 'namespace':
          return ns.includes(value);
        case 'client_namespace':
          return ns[0] === value;
        case 'server_namespace':
          return ns[1] === value;
        case 'sid':
          return g.sid === Number(value);
        case 'gid':
          return g.gid === Number(value);
        case 'workload':
          return g.client.display === value || g.server.display === value;
        case 'client':
        case 'client_ip':
          return g.client.display === value || g.client.addresses.includes(value);
        case 'server':
          return g.server.display === value;
        case 'service':
          return g.service === value;
        case 'class':
        case 'classtype':
          return g.classtype === value;
        case 'inspection':
          return g.inspection === value;
        case 'mitre':
          return g.mitre.some((m) => m.id.toLowerCase() === value);
        case 'visibility':
          return g.visibility === value;
        case 'is':
          return value === 'noisy' ? g.noisy : value === 'encrypted' ? g.visibility === 'partial' : g.status === value;
        case 'status':
          return g.status === value;
        case '':
          return `${g.msg} ${g.client.display} ${g.server.display}`.toLowerCase().includes(value);
        default:
          return true;
      }
    };
    tests.push(not ? (g) => !test(g) : test);
  }
  return (g) => tests.every((t) => t(g));
}

const within = (p) => {
  const now = Date.now();
  const at = (text, or) => {
    const found = /^now(?:-(\d+)([smhdw]))?$/.exec(text ?? '');
    if (found) return now - Number(found[1] ?? 0) * { s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 }[found[2] ?? 's'];
    const parsed = Date.parse(text ?? '');
    return Number.isFinite(parsed) ? parsed : or;
  };
  return { from: at(p.get('from'), now - 864e5), to: at(p.get('to'), now) };
};

/** Rows by number from `start`, at most `limit`, looking at no more than 200,000. */
function scan(p, res, start, limit) {
  const matches = matcher(p.get('q'), res);
  if (!matches) return null;
  const status = p.get('status') ?? 'open';
  const { from, to } = within(p);
  const items = [];
  let n = start;
  for (const stop = Math.min(COUNT, start + 200_000); n < stop && items.length < limit; n += 1) {
    const g = group(n);
    const at = Date.parse(g.last_seen);
    if (at < from || (at > to && n > 50)) continue;
    if ((status === 'all' || g.status === status) && matches(g)) items.push(g);
  }
  return { items, n };
}

const json = (res, status, body, headers = {}) => {
  res.writeHead(status, {
    'content-type': status >= 400 ? 'application/problem+json' : 'application/json',
    ...headers,
  });
  res.end(body === undefined ? '' : JSON.stringify(body));
};
const problem = (res, status, title, detail, more = {}) =>
  json(res, status, { type: 'about:blank', title, status, detail, ...more });

const read = (req) =>
  new Promise((resolve) => {
    let text = '';
    req.on('data', (part) => (text += part));
    req.on('end', () => resolve(text ? JSON.parse(text) : {}));
  });

function eventRow(g, k) {
  const e = makeEvent(g, k);
  const lite = (x) => ({ display: x.display, namespace: x.namespace, kind: x.kind, name: x.name });
  return {
    id: e.id,
    time: e.time,
    group: g.id,
    gid: g.gid,
    sid: g.sid,
    msg: g.msg,
    level: g.level,
    severity: g.severity,
    client: lite(g.client),
    server: lite(g.server),
    source: e.source,
    destination: e.destination,
    service: g.service,
    direction: 'to_server',
    shape: e.shape,
    status: g.status,
    suppressed_by: null,
  };
}

const eventNumber = (id) => {
  const [, , , seq] = /^(.+)-(\d+)-(\d+)$/.exec(id) ?? [];
  const n = Number(seq ?? -1);
  return n < 0 ? null : { g: Math.floor(n / 10_000), k: n % 10_000 };
};

const days = (n, seed, scale) =>
  Array.from({ length: n }, (_, i) => ({
    day: iso(Date.now() - (n - 1 - i) * 864e5).slice(0, 10),
    count: hash(seed + i) % scale,
  }));

const streams = new Set();

async function handle(req, res) {
  const url = new URL(req.url, 'http://x');
  const p = url.searchParams;
  if (!url.pathname.startsWith('/api/v1/')) return serveFile(url.pathname, req, res);
  const path = url.pathname.slice('/api/v1/'.length);
  const route = `${req.method} ${path}`;
  if (AUTH && !(req.headers.cookie ?? '').includes('tapir=ok') && route !== 'POST session') {
    return problem(res, 401, 'Sign in first', 'The session is unknown or has ended.');
  }
  const body = req.method === 'GET' ? null : await read(req);
  let m;
  switch (true) {
    case route === 'POST session':
      if (AUTH && body.token !== AUTH)
        return problem(res, 401, 'The token is not known', 'Make one with: tapir token create');

      return json(res, 200, { csrf: 'dev' }, { 'set-cookie': 'tapir=ok; HttpOnly; SameSite=Strict; Path=/' });
    case route === 'DELETE session':
      return json(res, 200, {}, { 'set-cookie': 'tapir=; Max-Age=0; Path=/' });
    case route === 'GET me':
      return json(res, 200, {
        user: 'ana',
        how: 'token',
        can: { read: true, act: true, tune: true, admin: true },
        csrf: 'dev',
        version: '0.1.0',
        cluster: 'demo',
        standalone: false,
      });
    case route === 'GET groups': {
      const limit = Math.min(Number(p.get('limit') ?? 100), 500);
      const by = p.get('by') ?? 'sig_pair';
      if (by !== 'sig_pair' && by !== 'none') {
        const found = scan(p, res, 0, 3000);
        if (!found) return;
        const rolled = new Map();
        for (const g of found.items) {
          const key = by === 'sig' ? g.sid : by === 'workload' ? g.server.display : g.client.display;
          const have = rolled.get(key);
          if (have) have.count += g.count;
          else rolled.set(key, { ...g });
        }
        return json(res, 200, {
          items: [...rolled.values()].slice(0, limit),
          next: null,
          total: { count: rolled.size, exact: true },
          as_of: iso(Date.now()),
          partial: false,
        });
      }
      const found = scan(p, res, Number(p.get('cursor') ?? 0), limit);
      if (!found) return;
      const sort = p.get('sort') ?? 'last_seen';
      if (sort !== 'last_seen')
        found.items.sort((a, b) =>
          sort === 'first_seen' ? b.first_seen.localeCompare(a.first_seen) : b[sort] - a[sort],
        );
      const more = found.n < COUNT && found.items.length === limit;
      const exact = !more;
      const all = Number(p.get('cursor') ?? 0) + found.items.length;
      return json(res, 200, {
        items: found.items,
        next: more ? String(found.n) : null,
        total: exact ? { count: all, exact } : { count: p.get('q') ? 10_000 : COUNT, exact: !p.get('q') },
        as_of: iso(Date.now()),
        partial: false,
      });
    }
    case (m = /^GET groups\/([0-9a-f]{16})$/.exec(route)) !== null: {
      const n = numberOf(m[1]);
      if (n >= COUNT || n < 0) return problem(res, 404, 'No such group', 'It may have been removed by retention.');
      const g = group(n);
      return json(
        res,
        200,
        {
          ...g,
          history: [
            { at: g.first_seen, by: 'tapir', what: 'opened', detail: null },
            ...(changed.has(g.id) ? [{ at: iso(Date.now()), by: 'ana', what: g.status, detail: g.reason }] : []),
          ],
          comments_list:
            n === 0 ? [{ at: iso(START - 7e5), by: 'ana', text: 'checked with payments, not theirs' }] : [],
          pods: [
            { side: 'server', pod: `${g.server.name ?? 'x'}-7f9c-x1`, count: Math.ceil(g.count * 0.7) },
            { side: 'server', pod: `${g.server.name ?? 'x'}-7f9c-x2`, count: Math.floor(g.count * 0.3) },
          ],
          ports: [{ port: g.server_port ?? 0, count: g.count }],
          days: days(30, n, 40),
          shapes_list: Array.from({ length: g.shapes }, (_, i) => ({
            shape: idOf(n + i * 17),
            count: Math.ceil(g.count / g.shapes),
            first_seen: g.first_seen,
            last_seen: g.last_seen,
            opened: i === 0 || opened.has(`${n}-${i}`),
            sample_event: makeEvent(g, i).id,
          })),
          suppressed: 0,
        },
        { etag: `"${g.version}"` },
      );
    }
    case (m = /^GET groups\/([0-9a-f]{16})\/events$/.exec(route)) !== null: {
      const g = group(numberOf(m[1]));
      const start = Number(p.get('cursor') ?? 0);
      const limit = Number(p.get('limit') ?? 100);
      const end = Math.min(g.count, start + limit, 10_000);
      return json(res, 200, {
        items: Array.from({ length: Math.max(0, end - start) }, (_, i) => eventRow(g, start + i)),
        next: end < Math.min(g.count, 10_000) ? String(end) : null,
      });
    }
    case route === 'GET events': {
      const found = scan(p, res, Number(p.get('cursor') ?? 0), Math.min(Number(p.get('limit') ?? 100), 500));
      if (!found) return;
      return json(res, 200, {
        items: found.items.map((g) => eventRow(g, 0)),
        next: found.n < COUNT && found.items.length ? String(found.n) : null,
        total: { count: COUNT, exact: false },
      });
    }
    case (m = /^GET events\/([^/]+?)(\/why|\/pcap|\/related)?$/.exec(route)) !== null: {
      const at = eventNumber(decodeURIComponent(m[1]));
      if (!at || at.g >= COUNT) return problem(res, 404, 'No such event', 'It may have been removed by retention.');
      const g = group(at.g);
      const event = makeEvent(g, at.k);
      opened.add(`${at.g}-${at.k}`);
      if (m[2] === '/why') return json(res, 200, makeWhy(g, event));
      if (m[2] === '/pcap') return problem(res, 404, 'No packet is kept', 'This event was raised on rebuilt data.');
      if (m[2] === '/related') {
        const near = Array.from({ length: 400 }, (_, i) => group(i)).filter((other) => other.id !== g.id);
        const rows = (test) =>
          near
            .filter(test)
            .slice(0, 20)
            .map((other) => eventRow(other, 0));
        return json(res, 200, {
          same_flow: [eventRow(g, at.k)],
          same_client: rows((other) => other.client.display === g.client.display),
          same_server: rows((other) => other.server.display === g.server.display),
        });
      }
      const format = p.get('format') ?? 'tapir';
      if (format === 'tapir') return json(res, 200, event);
      res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' });
      return res.end(formatEvent(event, format));
    }
    case route === 'GET stats/histogram': {
      const buckets = Number(p.get('buckets') ?? 60);
      if (!matcher(p.get('q'), res)) return;
      const { from, to } = within(p);
      const step = (to - from) / buckets;
      return json(res, 200, {
        from: iso(from),
        to: iso(to),
        step_seconds: step / 1000,
        buckets: Array.from({ length: buckets }, (_, i) => {
          const at = Math.floor((from + i * step) / step);
          const wave = COUNT ? Math.max(0, Math.sin(i / 7) * 14 + Math.sin(i / 2.3) * 6) : 0;
          const spike = COUNT && i % 37 > 33 ? 30 : 0;
          const r = (k) => (COUNT ? hash(at * 5 + k) : 0);
          return {
            at: iso(from + i * step),
            critical: COUNT && r(1) % 9 === 0 ? 2 + spike / 10 : 0,
            high: (r(2) % 4) + (spike ? 9 : 0),
            medium: (r(3) % 7) + Math.round(wave / 3) + spike,
            low: (r(4) % 8) + Math.round(wave),
            info: r(5) % 5,
          };
        }),
      });
    }
    case route === 'GET stats/facets': {
      const sample = scan(p, res, 0, 400);
      if (!sample) return;
      const of = {
        severity: (g) => [g.level],
        namespace: (g) => [g.server.namespace, g.client.namespace],
        workload: (g) => [g.server.display, g.client.namespace && g.client.display],
        classtype: (g) => [g.classtype],
        service: (g) => [g.service],
        direction: (g) => [g.client.namespace ? 'east-west' : 'inbound'],
        inspection: (g) => [g.inspection],
        node: () => ['worker-3', 'worker-5'],
        tactic: (g) => g.mitre.map((t) => t.name),
        mitre: (g) => g.mitre.map((t) => t.id),
        visibility: (g) => [g.visibility],
      };
      return json(res, 200, {
        facets: (p.get('fields') ?? '').split(',').map((field) => {
          const counts = new Map();
          for (const g of sample.items)
            for (const value of new Set((of[field] ?? (() => []))(g)))
              if (value) counts.set(value, (counts.get(value) ?? 0) + 1);
          const values = [...counts].sort((a, b) => b[1] - a[1]).map(([value, count]) => ({ value, count }));
          return { field, values: values.slice(0, 20), more: values.length > 20 };
        }),
      });
    }
    case route === 'GET stats/top': {
      const of = {
        workload: ACTORS.filter((a) => a.ns).map((a) => `${a.ns}/${a.name}`),
        sid: RULES.map((r) => String(r.sid)),
        msg: RULES.map((r) => r.msg),
        namespace: ['shop', 'scan', 'payments'],
      };
      return json(res, 200, {
        items: COUNT
          ? (of[p.get('field')] ?? [])
              .slice(0, Number(p.get('limit') ?? 8))
              .map((value, i) => ({ value, count: Math.round(4200 / (i + 1)) }))
          : [],
      });
    }
    case route === 'GET counts': {
      if (!matcher(p.get('q'), res)) return;
      const base = COUNT
        ? {
            open: Math.round(COUNT * 0.9375),
            escalated: Math.round(COUNT / 64),
            acknowledged: Math.round(COUNT / 64),
            dismissed: Math.round(COUNT / 32),
          }
        : { open: 0, escalated: 0, acknowledged: 0, dismissed: 0 };
      for (const [id, c] of changed) {
        if (!c.status) continue;
        base[baseStatus(numberOf(id))] -= 1;
        base[c.status] += 1;
      }
      return json(res, 200, base);
    }
    case route === 'POST groups/actions': {
      const ids = body.ids ?? [];
      if (body.query !== undefined)
        for (let n = 0; n < Math.min(COUNT, 200); n += 1) if (matcher(body.query, res)(group(n))) ids.push(idOf(n));
      const status = { dismiss: 'dismissed', acknowledge: 'acknowledged', escalate: 'escalated', reopen: 'open' }[
        body.action
      ];
      const token = `u${undos.size + 1}`;
      const before = new Map();
      const groups = ids.map((id) => {
        before.set(id, changed.get(id));
        const old = group(numberOf(id));
        changed.set(id, {
          ...changed.get(id),
          version: old.version + 1,
          ...(status ? { status } : {}),
          ...(body.action === 'dismiss' ? { reason: body.reason } : {}),
          ...(body.action === 'assign' ? { assignee: body.assignee || null } : {}),
          ...(body.comment ? { comments: old.comments + 1 } : {}),
        });
        audit.unshift({ at: iso(Date.now()), by: 'ana', what: body.action, detail: `${id} ${body.reason ?? ''}` });
        return group(numberOf(id));
      });
      undos.set(token, before);
      return json(res, 200, {
        changed: groups.length,
        groups: groups.slice(0, 100),
        undo: token,
        undo_until: iso(Date.now() + 6e5),
      });
    }
    case (m = /^POST undo\/(.+)$/.exec(route)) !== null: {
      const before = undos.get(m[1]);
      if (!before) return problem(res, 404, 'Nothing to undo', 'It is too late, or it was undone already.');
      undos.delete(m[1]);
      for (const [id, old] of before) {
        if (old) changed.set(id, old);
        else changed.delete(id);
      }
      return json(res, 200, { changed: before.size, groups: [...before.keys()].map((id) => group(numberOf(id))) });
    }
    case route === 'POST tuning/preview': {
      const g = group(numberOf(body.group));
      const c = g.count;
      const make = (id, title, scope, hide, left, shapes, unopened) => ({
        id,
        title,
        scope,
        would_hide: hide,
        left_visible: left,
        shapes,
        unopened,
        days: days(30, g.sid, 300).map((d) => ({
          day: d.day,
          hidden: Math.round(d.count * (hide / (hide + left + 1))),
          shown: Math.round(d.count * (left / (hide + left + 1))),
        })),
      });
      return json(res, 200, {
        took_ms: 41,
        scopes: [
          make(
            'pair',
            'this pair',
            { client: g.client.display, server: g.server.display },
            Math.ceil(c * 0.9),
            Math.floor(c * 0.1),
            2,
            0,
          ),
          make('client', `from ${g.client.display} to anything`, { client: g.client.display }, c, 6, 7, 5),
          ...(g.server.namespace
            ? [
                make(
                  'namespace',
                  `this rule in namespace ${g.server.namespace}`,
                  { namespace: g.server.namespace },
                  c + 6,
                  0,
                  7,
                  5,
                ),
              ]
            : []),
          make('rule', 'this rule everywhere', {}, c * 2 + 41, 0, 31, 24),
        ],
      });
    }
    case route === 'GET tuning':
      return json(res, 200, { items: suppressions, next: null });
    case route === 'POST tuning': {
      const rule = RULES.find((r) => r.sid === body.sid);
      const made = {
        ...body,
        id: `s${suppressions.length + 1}`,
        msg: rule?.msg ?? '',
        author: 'ana',
        created: iso(Date.now()),
        numbers: body.numbers ?? { would_hide: 0, left: 0, shapes: 0, unopened: 0 },
        silenced: 0,
        silenced_last: null,
        active: { nodes: 0, of: 14 },
        version: 1,
        yaml: `apiVersion: tapir.dev/v1\nkind: Suppression\nmetadata:\n  name: s${suppressions.length + 1}\nspec:\n  rule: ${body.gid}:${body.sid}\n  mode: ${body.mode}\n  reason: ${JSON.stringify(body.reason)}\n`,
      };
      suppressions.unshift(made);
      setTimeout(() => (made.active.nodes = 9), 500);
      setTimeout(() => (made.active.nodes = 14), 1200);
      return json(res, 201, made);
    }
    case (m = /^(GET|PATCH|DELETE) tuning\/(.+)$/.exec(route)) !== null: {
      const at = suppressions.findIndex((s) => s.id === m[2]);
      if (at < 0) return problem(res, 404, 'No such suppression', '');
      if (m[1] === 'DELETE') return (suppressions.splice(at, 1), json(res, 204));
      if (m[1] === 'PATCH') Object.assign(suppressions[at], body);
      return json(res, 200, suppressions[at]);
    }
    case route === 'GET exceptions':
      return json(
        res,
        200,
        COUNT
          ? [
              {
                id: 'e1',
                description: 'quarterly penetration test',
                selector: "source_namespace = 'scan'",
                start: iso(START - 864e5),
                end: iso(START + 6 * 864e5),
                author: 'ben',
                active: true,
              },
            ]
          : [],
      );
    case (m = /^DELETE exceptions\//.exec(route)) !== null:
      return json(res, 204);
    case route === 'GET fields':
      return json(res, 200, { fields: fieldsCatalogue });
    case (m = /^GET fields\/(.+)\/values$/.exec(route)) !== null: {
      const of = {
        namespace: ['shop', 'payments', 'scan', 'kube-system'],
        workload: ACTORS.filter((a) => a.ns).map((a) => `${a.ns}/${a.name}`),
        sid: RULES.map((r) => String(r.sid)),
        classtype: [...new Set(RULES.map((r) => r.classtype))],
      };
      const prefix = (p.get('prefix') ?? '').toLowerCase();
      const field = fieldsCatalogue.find((f) => f.name === m[1] || f.aliases.includes(m[1]))?.name;
      return json(res, 200, {
        values: (of[field] ?? [])
          .filter((v) => v.toLowerCase().startsWith(prefix))
          .slice(0, 10)
          .map((value, i) => ({ value, count: 400 - i * 30 })),
      });
    }
    case route === 'POST query/check':
      return matcher(body.q, res) ? json(res, 200, { ok: true, canonical: body.q }) : undefined;
    case route === 'GET alerts/stream': {
      res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
      res.write('retry: 1000\n\n');
      const stream = { res, status: p.get('status') ?? 'open' };
      streams.add(stream);
      req.on('close', () => streams.delete(stream));
      return;
    }
    case route === 'GET inspections':
      return json(res, 200, {
        items: process.argv.includes('--empty') && argument('inspections', '0') === '0' ? [] : inspections,
      });
    case route === 'GET nodes':
      return json(res, 200, { items: nodes.map((n) => ({ ...n, last_heartbeat: iso(Date.now() - n.age) })) });
    case route === 'GET rules': {
      const q = (p.get('q') ?? '').toLowerCase();
      const all = Array.from({ length: 4000 }, (_, i) => ruleRow(i)).filter((r) =>
        `${r.sid} ${r.msg}`.toLowerCase().includes(q),
      );
      const start = Number(p.get('cursor') ?? 0);
      return json(res, 200, {
        items: all.slice(start, start + 100),
        next: start + 100 < all.length ? String(start + 100) : null,
        total: all.length,
      });
    }
    case (m = /^GET rules\/(\d+)-(\d+)$/.exec(route)) !== null: {
      const at = RULES.findIndex((r) => r.sid === Number(m[2]));
      const row = at >= 0 ? ruleRow(at) : ruleRow(Number(m[2]) - 4_000_000);
      return json(res, 200, {
        ...row,
        text: RULES[Math.max(at, 0)].text,
        words: ['established, client to server', 'method contains "POST"'],
        file: 'tapir-starter.rules',
        line: 14 + at,
        references: ['https://attack.mitre.org/techniques/T1071/001'],
        metadata: [['created', '2026-11-24']],
        days: days(30, row.sid, 60),
        tuning: suppressions.filter((s) => s.sid === row.sid),
      });
    }
    case route === 'GET sinks':
      return json(res, 200, {
        items: sinks.map((s) => ({ ...s, last_error_at: s.last_error ? iso(START - 9e5) : null })),
      });
    case route === 'GET audit':
      return json(res, 200, { items: audit.slice(0, 100), next: null });
    case route === 'GET views':
      return json(res, 200, views);
    case route === 'PUT views':
      views = body;
      return json(res, 200, views);
    default:
      return problem(res, 404, 'No such call', route);
  }
}

function ruleRow(i) {
  const r = RULES[i % RULES.length];
  const state =
    i >= RULES.length && hash(i) % 29 === 0
      ? 'unsupported'
      : i >= RULES.length && hash(i) % 11 === 0
        ? 'disabled'
        : 'active';
  return {
    gid: 1,
    sid: i < RULES.length ? r.sid : 4_000_000 + i,
    rev: 1 + (i % 5),
    msg: r.msg,
    classtype: r.classtype,
    priority: 1 + (i % 3),
    state,
    why: state === 'unsupported' ? 'option "sd_pattern" is not supported' : null,
    hits: i < RULES.length ? (r.count ?? 30) : hash(i) % 7 ? 0 : hash(i) % 90,
    cost_ns: i % 4 === 0 ? null : hash(i) % 4000,
    groups_open: i < RULES.length ? 1 + (i % 4) : 0,
  };
}

const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

function serveFile(path, _req, res) {
  const file = join(DIST, normalize(path));
  const found =
    extname(path) && file.startsWith(DIST) && existsSync(file) ? file : extname(path) ? null : join(DIST, 'index.html');
  if (!found || !existsSync(found)) {
    res.writeHead(404).end('not found');
    return;
  }
  res.writeHead(200, {
    'content-type': TYPES[extname(found)] ?? 'application/octet-stream',
    'content-security-policy': CSP,
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cache-control': extname(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
  res.end(readFileSync(found));
}

let tick = 0;
if (LIVE > 0 && COUNT > 0) {
  setInterval(() => {
    tick += 1;
    const n = 30 + (hash(tick) % 200);
    const g = group(n);
    changed.set(g.id, { ...changed.get(g.id), last_seen: iso(Date.now()), count: g.count + 1, version: g.version + 1 });
    for (const stream of streams) {
      stream.res.write(`id: c${tick}\nevent: group\ndata: ${JSON.stringify({ rows: [group(n)] })}\n\n`);
      if (tick % 8 === 0)
        stream.res.write(`event: health\ndata: ${JSON.stringify({ nodes: 14, nodes_active: 14 })}\n\n`);
    }
  }, 1000 / LIVE).unref();
}

const server = createServer((req, res) => {
  Promise.resolve(handle(req, res)).catch((error) => {
    console.error(error);
    if (!res.headersSent) problem(res, 500, 'The fixture broke', String(error));
  });
});

server.listen(PORT, '127.0.0.1', () => console.log(`fixture of ${COUNT} groups at http://127.0.0.1:${PORT}`));
