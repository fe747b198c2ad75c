import { expect, test } from 'vitest';
import type { BlindSpots, UnseenRow } from './api/types';
import { amount, byReason, summed, why } from './blind';

const row = (reason: string, unit: string, count: number, more: Partial<UnseenRow> = {}): UnseenRow => ({
  node: 'a',
  interface: 'eth0',
  reason,
  service: null,
  port: null,
  unit,
  count,
  ...more,
});
const spots = (more: Partial<BlindSpots> = {}): BlindSpots => ({
  from: '2026-11-24T00:00:00Z',
  to: '2026-11-25T00:00:00Z',
  alerts: { alerts: 100, partial: 4, reasons: [], workloads: [] },
  traffic: {
    since: '2026-11-24T00:00:00Z',
    interfaces: [{ node: 'a', interface: 'eth0', flows: 40, encrypted: 10 }],
    rows: [
      row('kernel_drops', 'packets', 1204, { interface: '' }),
      row('encrypted', 'flows', 7, { port: 443 }),
      row('encrypted', 'flows', 3, { port: 8443 }),
      row('tcp_gap_bytes', 'bytes', 2048),
    ],
    more: false,
  },
  ...more,
});

test('reasons are added over nodes and ports, and never one unit to another', () => {
  const rows = [...(spots().traffic?.rows ?? []), row('encrypted', 'packets', 5)];
  expect(byReason(rows)).toEqual([
    { reason: 'encrypted', unit: 'flows', count: 10 },
    { reason: 'kernel_drops', unit: 'packets', count: 1204 },
    { reason: 'encrypted', unit: 'packets', count: 5 },
    { reason: 'tcp_gap_bytes', unit: 'bytes', count: 2048 },
  ]);
});

test('a few lines say what could not be inspected, with the share where there is one', () => {
  expect(summed(spots())).toEqual([
    { text: 'Alerts seen in part', detail: '4 of 100' },
    { text: 'Encrypted', detail: '10 conversations, 25 %' },
    { text: 'Lost: the ring was full', detail: '1,204 packets' },
    { text: 'Holes in TCP streams', detail: '2.0 KiB' },
  ]);
  expect(summed(spots({ traffic: null }))).toEqual([{ text: 'Alerts seen in part', detail: '4 of 100' }]);
});

test('what a newer agent counts has a name all the same', () => {
  expect([why('quic_flows_left'), amount(3, 'rules')]).toEqual(['quic flows left', '3 rules']);
});
