// Who may read some namespaces only: what is not for him is not shown, and where he looks for it he is told.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { heartbeat, variant, workload } from '../../dev/events.mjs';
import { Lab, alerts, rows } from './support';

/** Ann may read alerts in `shop`, and nothing else. It is a JWT by its form; whose it is the API server says. */
const ANN = 'ann.e30.x';

interface Review {
  kind: string;
  spec: { token?: string; resourceAttributes?: { namespace?: string; verb: string; resource: string } };
}

/** As much of an API server as answers two questions. */
const cluster = createServer((request, response) => {
  let body = '';
  request.on('data', (data) => (body += String(data)));
  request.on('end', () => {
    const { spec } = JSON.parse(body) as Review;
    const asked = spec.resourceAttributes;
    const status = asked
      ? { allowed: asked.namespace === 'shop' && asked.verb === 'list' && asked.resource === 'alerts' }
      : { authenticated: spec.token === ANN, user: { username: 'ann' } };
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify({ status }));
  });
});

const listening = (server: Server): Promise<number> =>
  new Promise((done) => server.listen(0, '127.0.0.1', () => done((server.address() as AddressInfo).port)));

let lab: Lab;
let work: string;
beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'limited-'));
  writeFileSync(join(work, 'token'), 'own');
  const port = await listening(cluster);
  lab = await Lab.start(['--kubernetes-api', `http://127.0.0.1:${port}`, '--kubernetes-token', join(work, 'token')]);
  const [zap, cart, vault] = [workload('scan', 'zap'), workload('shop', 'cart'), workload('bank', 'vault')];
  await lab.ingest(
    variant(lab.of(21562), { client: zap, server: cart, inspection: { namespace: 'shop', name: 'all' } }),
    variant(lab.of(3000002), { client: zap, server: vault, inspection: { namespace: 'bank', name: 'all' } }),
  );
  await heartbeat(lab.manager, {
    node: 'secret-node',
    rule_set: '16c581fc943cbd3f',
    packets: 5,
    inspections: [
      { namespace: 'shop', name: 'all', endpoints: 2 },
      { namespace: 'bank', name: 'all', endpoints: 3 },
    ],
    sinks: [{ name: 'secret-sink', kind: 'syslog', state: 'ok' }],
  });
});
afterAll(async () => {
  await lab?.stop();
  cluster.close();
  cluster.closeAllConnections();
  rmSync(work, { recursive: true, force: true });
});

test('no page complains, and each says what is not shown', async () => {
  const { page, close } = await lab.open(alerts('severity>=info'), { as: { token: ANN } });
  await rows(page, 1);
  const nav = page.getByRole('navigation', { name: 'Pages' });
  await nav.getByRole('link', { name: 'Inspections' }).waitFor();
  expect(await nav.getByRole('link', { name: 'Nodes' }).count()).toBe(0);
  expect(await page.locator('a.nodes').count()).toBe(0);

  const plain = async () => {
    expect(await page.locator('.failure').count()).toBe(0);
    const text = await page.locator('main').innerText();
    expect(text).not.toMatch(/secret-node|secret-sink|16c581fc|bank/);
    return text;
  };
  await page.goto('/nodes');
  await page.locator('.limited').waitFor();
  expect(await plain()).toContain('Nodes are shown to those who may read the alerts of all namespaces');
  expect(await plain()).toContain('shop');
  await page.goto('/settings');
  await page.locator('.limited').waitFor();
  expect(await plain()).toMatch(/may read\s+in shop[^]*Sinks are shown to those/);
  await page.goto('/blind-spots');
  await page.locator('.limited').waitFor();
  expect(await plain()).toContain('Numbers of agents are shown to those');
  await page.goto('/');
  await page.locator('.tile', { hasText: '2 pods' }).waitFor();
  await page.locator('.list .bar').first().waitFor();
  const overview = await plain();
  for (const tile of ['Packets', 'Rule set', 'Sinks']) expect(overview).not.toMatch(new RegExp(`^${tile}$`, 'm'));
  expect(overview).toContain('Nothing in your inspections');
  await page.goto('/inspections');
  await page.locator('td a', { hasText: 'shop/all' }).waitFor();
  await plain();
  await close();
});

test('who sees everything sees all of it', async () => {
  const { page, close } = await lab.open('/nodes');
  await page.locator('td', { hasText: 'secret-node' }).first().waitFor();
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Nodes' }).waitFor();
  await page.goto('/settings');
  await page.locator('td', { hasText: 'secret-sink' }).waitFor();
  expect(await page.locator('.limited').count()).toBe(0);
  await close();
});
