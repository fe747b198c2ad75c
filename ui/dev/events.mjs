/**
 * Events for a manager to show: what the real binary raises on demo/attacks.pcap, and variants of that.
 *
 * Nothing is made up but who, where and when: rules, evidence and flows are those of the engine. A variant
 * with other bytes keeps the offsets of its matches true.
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * An event as the format `tapir` writes it, as far as it is changed here.
 * @typedef {{
 *   id: string, time: string, observed: string, interface: string, service?: string, protocol: string,
 *   rule: { gid: number, sid: number, msg: string, text: string, metadata?: [string, string][], references?: unknown[] },
 *   source: { ip: string, port?: number }, destination: { ip: string, port?: number }, direction?: string,
 *   client?: Workload, server?: Workload, inspection?: { namespace: string, name: string },
 *   flow: { id: number, start: string, client: { ip: string, port: number }, server: { ip: string, port: number },
 *           missing: number[], midstream: boolean },
 *   session?: { http?: Record<string, string | number>, dns?: Record<string, string | number>, tls?: Record<string, string> },
 *   evidence: { buffers: { name: string, offset: number, length: number, b64: string }[],
 *               matches: { option: number, text: string, buffer: string, offset: number, length: number }[],
 *               payload_b64: string, payload_length: number },
 * }} Event
 * @typedef {{ namespace: string, pod: string, owner_kind?: string, owner_name?: string, labels?: Record<string, string> }} Workload
 * @typedef {{ url: string, agent: string }} Manager
 */

const ATTACKS = fileURLToPath(new URL('../../demo/attacks.pcap', import.meta.url));
const MORE = fileURLToPath(new URL('more.rules', import.meta.url));

/**
 * One alert of every rule that the demonstration raises, with its bytes: of the starter set and of more.rules.
 * @param {string} binary
 * @returns {(sid: number) => Event}
 */
export function demonstration(binary) {
  /** @type {Map<number, Event>} */
  const found = new Map();
  for (const rules of [[], ['--rules', MORE]]) {
    const lines = execFileSync(binary, ['scan', ATTACKS, '--quiet', '--format', 'tapir', '--evidence', ...rules], {
      encoding: 'utf8',
      timeout: 60_000,
      maxBuffer: 16 << 20,
    });
    for (const line of lines.split('\n').filter((one) => one !== '')) {
      const event = /** @type {Event} */ (JSON.parse(line));
      if (!found.has(event.rule.sid)) found.set(event.rule.sid, event);
    }
  }
  return (sid) => {
    const event = found.get(sid);
    if (!event) throw new Error(`demo/attacks.pcap raised nothing by rule ${sid}`);
    return event;
  };
}

/** Ids are never given twice: the boot is the moment when this was loaded. */
const boot = Date.now();
let last = 0;

/**
 * A copy under an id of its own.
 * @param {Event} event
 * @param {{ at?: number, node?: string, client?: Workload, server?: Workload, from?: string, to?: string, port?: number,
 *           inspection?: { namespace: string, name: string } }} change `at`: milliseconds; `from`, `to`: addresses
 * @returns {Event}
 */
export function variant(event, change = {}) {
  const copy = structuredClone(event);
  const at = new Date(change.at ?? Date.now() - 1000);
  const lasted = Date.parse(event.time) - Date.parse(event.flow.start);
  last += 1;
  copy.id = `${change.node ?? 'worker-1'}-${boot}-${last}`;
  copy.time = copy.observed = at.toISOString();
  copy.flow.start = new Date(at.getTime() - lasted).toISOString();
  copy.flow.id = last;
  copy.interface = 'cali5f0a2c7d9e1';
  const { client, server } = copy.flow;
  if (change.from) client.ip = change.from;
  if (change.to) server.ip = change.to;
  if (change.port) client.port = change.port;
  const [source, destination] = copy.direction === 'to_client' ? [server, client] : [client, server];
  Object.assign(copy.source, source);
  Object.assign(copy.destination, destination);
  for (const name of /** @type {const} */ (['client', 'server', 'inspection'])) {
    if (change[name]) Object.assign(copy, { [name]: change[name] });
  }
  return copy;
}

/**
 * A Deployment's pod.
 * @param {string} namespace
 * @param {string} name
 * @param {string} suffix
 * @returns {Workload}
 */
export const workload = (namespace, name, suffix = 'x1') => ({
  namespace,
  pod: `${name}-7f9c4d6b8d-${suffix}`,
  owner_kind: 'Deployment',
  owner_name: name,
});

/**
 * Puts bytes behind those of a buffer: what matched still stands where it did.
 * @param {Event} event
 * @param {string} buffer
 * @param {Uint8Array} bytes
 */
export function lengthen(event, buffer, bytes) {
  const found = event.evidence.buffers.find((one) => one.name === buffer);
  if (!found) throw new Error(`no bytes of ${buffer} in ${event.id}`);
  const all = Buffer.concat([Buffer.from(found.b64, 'base64'), bytes]);
  found.b64 = all.toString('base64');
  found.length = found.offset + all.length;
}

/**
 * Hands events in, as an agent does. Refusals are errors.
 * @param {Manager} manager
 * @param {readonly Event[]} events
 */
export async function ingest(manager, events) {
  const response = await fetch(`${manager.url}/api/v1/ingest`, {
    method: 'POST',
    headers: { authorization: `Bearer ${manager.agent}`, 'content-type': 'application/x-ndjson' },
    body: events.map((event) => JSON.stringify(event)).join('\n'),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`ingest: ${response.status} ${answer}`);
  const { stored, rejected } = /** @type {{ stored: number, rejected: unknown[] }} */ (JSON.parse(answer));
  if (stored !== events.length)
    throw new Error(`ingest: ${stored} of ${events.length} kept; ${JSON.stringify(rejected)}`);
}

/**
 * Says how a node is, as an agent does.
 * @param {Manager} manager
 * @param {Record<string, unknown> & { node: string }} beat
 */
export async function heartbeat(manager, beat) {
  const response = await fetch(`${manager.url}/api/v1/heartbeat`, {
    method: 'POST',
    headers: { authorization: `Bearer ${manager.agent}`, 'content-type': 'application/json' },
    body: JSON.stringify(beat),
    signal: AbortSignal.timeout(30_000),
  });
  if (!response.ok) throw new Error(`heartbeat: ${response.status} ${await response.text()}`);
}
