import { expect, test } from 'vitest';
import type { EventRow } from './api/types';
import { MAX_PEERS, peersOf } from './ego';

const row = (id: string, client: string, server: string) =>
  ({ id, client: { display: client, namespace: 'a' }, server: { display: server, namespace: null } }) as EventRow;

test('those who come in stand left, those gone to stand right', () => {
  const { peers } = peersOf('m', [row('1', 'in', 'm'), row('2', 'm', 'out'), row('3', 'm', 'out')], 400, 200);
  expect(peers.map(({ name, alerts, inward, outside }) => [name, alerts, inward, outside])).toEqual([
    ['in', 1, true, false],
    ['out', 2, false, true],
  ]);
  expect(peers[0]!.x).toBeLessThan(200);
  expect(peers[1]!.x).toBeGreaterThan(200);
});

test('an event counts once however often it is listed, and strangers do not', () => {
  const { peers } = peersOf(
    'm',
    [row('1', 'a', 'm'), row('1', 'a', 'm'), row('2', 'x', 'y'), row('3', 'm', 'm')],
    400,
    200,
  );
  expect(peers.map((peer) => peer.alerts)).toEqual([1]);
});

test('no more than twenty are drawn, all within the box', () => {
  const many = Array.from({ length: 60 }, (_, index) => row(String(index), `c${index}`, 'm'));
  const { peers, leftOut } = peersOf('m', many, 400, 200);
  expect([peers.length, leftOut]).toEqual([MAX_PEERS, 40]);
  for (const peer of peers) expect(peer.x >= 0 && peer.x <= 400 && peer.y >= 0 && peer.y <= 200).toBe(true);
});
