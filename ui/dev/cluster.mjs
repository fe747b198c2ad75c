/** A small cluster in its ninth day: alerts of every severity between known parties, nodes, sinks and inspections. */
import { heartbeat, ingest, lengthen, variant, workload } from './events.mjs';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Rule, client, server, alerts, age of the first, payloads that differ in shape. A party is `namespace/name` or an address. */
const STORY = /** @type {const} */ ([
  [21562, '203.0.113.7', 'shop/frontend', 12, 3 * HOUR, 1],
  [9000001, 'scan/zap', 'shop/frontend', 1, 20 * MINUTE, 1],
  [3000002, '198.51.100.23', 'payments/gateway', 3, 12 * MINUTE, 2],
  [3000006, '198.51.100.23', 'shop/checkout', 2, 40 * MINUTE, 1],
  [3000056, 'scan/zap', 'shop/cart', 240, 9 * DAY, 5],
  [3000056, 'scan/zap', 'shop/checkout', 60, 2 * DAY, 3],
  [3000140, 'scan/zap', 'shop/cart', 180, 9 * DAY, 2],
  [3000021, '203.0.113.7', 'shop/cart', 4, 5 * HOUR, 1],
  [3000070, 'shop/ads', 'shop/frontend', 7, 26 * HOUR, 1],
  [3000077, 'observability/node-exporter', 'shop/frontend', 2, 90 * MINUTE, 1],
  [3000078, 'observability/node-exporter', 'shop/frontend', 2, 90 * MINUTE, 1],
  [3000107, 'shop/ads', 'kube-system/coredns', 38, 30 * HOUR, 1],
  [9000003, 'shop/cart', 'kube-system/coredns', 61, 2 * DAY, 1],
  [9000002, 'shop/cart', 'payments/gateway', 320, 8 * DAY, 1],
  [9000002, 'shop/checkout', 'payments/gateway', 150, 8 * DAY, 1],
]);

/** @param {string} party @param {number} number */
const named = (party, number) => {
  const [namespace, name] = party.split('/');
  return name ? { workload: workload(String(namespace), name, `x${number % 3}`), ip: undefined } : { ip: party };
};

/**
 * Fills a manager.
 * @param {import('./manager.mjs').Manager} manager
 * @param {(sid: number) => import('./events.mjs').Event} of alerts of the demonstration
 * @param {number} now milliseconds
 */
export async function fill(manager, of, now = Date.now()) {
  const events = STORY.flatMap(([sid, from, to, count, age, shapes]) =>
    Array.from({ length: count }, (_, number) => {
      const [client, server] = [named(from, number), named(to, number)];
      const event = variant(of(sid), {
        // Denser towards now, the last one a minute ago.
        at: now - MINUTE - age * (1 - (number + 1) / count) ** 1.6,
        node: `worker-${1 + (number % 3)}`,
        client: client.workload,
        server: server.workload,
        from: client.ip,
        to: server.ip,
        port: 40_000 + number,
        inspection: to.startsWith('shop/') ? { namespace: 'shop', name: 'all' } : undefined,
      });
      const buffer = event.evidence.buffers.at(-1);
      const word = 'abcde'.charAt(number % shapes);
      if (word !== 'a' && buffer) lengthen(event, buffer.name, Buffer.from(`&try=${word}`));
      if (sid === 3000021) event.flow.midstream = true;
      return event;
    }),
  );
  for (let start = 0; start < events.length; start += 500) await ingest(manager, events.slice(start, start + 500));
  // Numbers of agents count from the first heartbeat on.
  await beat(manager, now - HOUR);
  await beat(manager, now);
}

/**
 * Says how its nodes are; the manager takes them for silent after two minutes.
 * @param {import('./manager.mjs').Manager} manager
 * @param {number} now milliseconds
 */
export async function beat(manager, now = Date.now()) {
  // What agents count grows with the time.
  const seconds = Math.floor(now / 1000);
  for (let number = 1; number <= 3; number += 1) {
    await heartbeat(manager, {
      node: `worker-${number}`,
      version: '0.1.0',
      rule_set: '16c581fc943cbd3f',
      rules: 168,
      packets: 8_000_000 + number * 1_311_007,
      bytes: 6_100_000_000 + number * 900_000_000,
      drops: number === 2 ? { ring_full: 1204 } : {},
      memory: 310_000_000 + number * 9_000_000,
      endpoints: 3,
      interfaces: [`cali0ab${number}2`, `cali77c${number}1`],
      flows: { [`cali0ab${number}2`]: seconds * 3, [`cali77c${number}1`]: seconds },
      unseen: [
        {
          interface: `cali0ab${number}2`,
          reason: 'encrypted',
          service: 'ssl',
          port: 443,
          unit: 'flows',
          count: seconds,
        },
        {
          interface: `cali0ab${number}2`,
          reason: 'encrypted',
          service: 'ssh',
          port: 22,
          unit: 'flows',
          count: seconds >> 4,
        },
        { interface: `cali77c${number}1`, reason: 'midstream', port: 5432, unit: 'flows', count: seconds >> 5 },
        ...(number === 2
          ? [{ interface: 'cali77c21', reason: 'gap', port: 8080, unit: 'flows', count: seconds >> 6 }]
          : []),
        { interface: '', reason: 'packets_own', unit: 'packets', count: seconds },
        { interface: '', reason: 'tcp_gap_bytes', unit: 'bytes', count: number === 2 ? seconds * 731 : 0 },
      ],
      inspections: [
        {
          namespace: 'shop',
          name: 'all',
          selector: 'all()',
          endpoints: 3,
          packets: 4_000_000,
          drops: number === 2 ? 1204 : 0,
          conditions:
            number === 2
              ? [
                  {
                    type: 'Ready',
                    status: 'False',
                    reason: 'InterfaceMissing',
                    message: 'frontend-7f9c-x2: no interface after 30 s',
                  },
                ]
              : [{ type: 'Ready', status: 'True', reason: '', message: '' }],
        },
      ],
      sinks: [
        { name: 'elastic', kind: 'elasticsearch', state: 'ok', delivered: 1_204_118 },
        {
          name: 'siem',
          kind: 'syslog',
          state: 'retrying',
          delivered: 803_214,
          lag_records: 18_204,
          lag_seconds: 912,
          last_error: 'connect 10.0.9.4:6514: connection refused',
          last_error_at: new Date(now - 30_000).toISOString(),
        },
      ],
    });
  }
}
