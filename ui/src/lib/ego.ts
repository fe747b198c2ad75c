/** Who talks to whom around one workload: a layout for at most twenty others. Pure. */
import type { EventRow } from './api/types';

export interface Peer {
  name: string;
  x: number;
  y: number;
  alerts: number;
  /** They opened the flow to the one in the middle. */
  inward: boolean;
  outside: boolean;
}

export const MAX_PEERS = 20;

/** Peers of `middle` around a circle, those with most alerts first; `left_out` are too many to draw. */
export function peersOf(
  middle: string,
  rows: readonly EventRow[],
  width: number,
  height: number,
): { peers: Peer[]; leftOut: number } {
  const found = new Map<string, Omit<Peer, 'x' | 'y'>>();
  const seen = new Set<string>();
  for (const row of rows) {
    if (seen.has(row.id)) continue;
    seen.add(row.id);
    const inward = row.server.display === middle;
    if (!inward && row.client.display !== middle) continue;
    const other = inward ? row.client : row.server;
    if (other.display === middle) continue;
    const key = `${inward ? '>' : '<'}${other.display}`;
    const known = found.get(key);
    if (known) known.alerts += 1;
    else found.set(key, { name: other.display, alerts: 1, inward, outside: !other.namespace });
  }
  const sorted = [...found.values()].sort((a, b) => b.alerts - a.alerts || a.name.localeCompare(b.name));
  const drawn = sorted.slice(0, MAX_PEERS);
  // Those who come in stand on the left, those who are gone to on the right.
  const place = (side: typeof drawn, from: number) =>
    side.map((peer, index) => {
      const angle = from + ((index + 1) / (side.length + 1)) * Math.PI;
      return {
        ...peer,
        x: Math.round(width / 2 + Math.cos(angle) * width * 0.3),
        y: Math.round(height / 2 + Math.sin(angle) * height * 0.42),
      };
    });
  const peers = [
    ...place(
      drawn.filter((peer) => peer.inward),
      Math.PI / 2,
    ),
    ...place(
      drawn.filter((peer) => !peer.inward),
      -Math.PI / 2,
    ),
  ];
  return { peers, leftOut: sorted.length - drawn.length };
}
