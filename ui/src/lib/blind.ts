/** Blind spots in words, and summed up. */
import type { BlindSpots, UnseenRow } from './api/types';
import { bytes, count, percent, plural } from './format';

const WORDS: Record<string, string> = {
  encrypted: 'Encrypted',
  gap: 'Bytes that were never seen',
  truncated: 'Cut by the capture',
  midstream: 'Taken up in the middle',
  given_up: 'Inspector gave up, read as plain bytes',
  shed: 'Ended to make room for others',
  kernel_drops: 'Lost: the ring was full',
  packets_broken: 'Unusable headers',
  packets_cut: 'Frames cut by the capture',
  packets_undecoded_link: 'Link type that is not decoded',
  packets_too_many_layers: 'Too many layers of headers',
  packets_bad_checksum: 'Wrong checksums',
  bypasses_tap: "Never passed the node's side of the interface",
  packets_own: 'Left out: deliveries of the watch itself',
  flows_evicted_memory: 'Ended for want of memory',
  tcp_gap_bytes: 'Holes in TCP streams',
  tcp_queue_full: 'TCP segments without room',
  tcp_queue_full_bytes: 'TCP bytes without room',
  fragment_conflicts: 'Fragments that contradict each other',
  fragments_evicted: 'Fragments without room',
  fragment_pieces_full: 'Datagrams in too many pieces',
  http_codings_opaque: 'HTTP bodies in a coding that is not decoded',
  http_body_bytes_skipped: 'HTTP bodies beyond the depth',
  mime_bytes_skipped: 'Attachments beyond the depth',
  panics_contained: 'Faults of Tapir',
  events_before_spool: 'Events lost before the spool',
};

/** A reason for people; one that this page does not know yet, by its name. */
export const why = (reason: string): string => WORDS[reason] ?? reason.replace(/_/g, ' ');

/** `1,204 packets`, `3.4 MiB`, `12 conversations`. */
export function amount(value: number, unit: string): string {
  switch (unit) {
    case 'bytes':
      return bytes(value);
    case 'flows':
      return plural(value, 'conversation');
    case 'packets':
      return plural(value, 'packet');
    case 'events':
      return plural(value, 'time');
    default:
      return `${count(value)} ${unit}`;
  }
}

export interface Sum {
  reason: string;
  unit: string;
  count: number;
}

const UNITS = ['flows', 'packets', 'bytes', 'events'];
const rank = (unit: string) => (UNITS.indexOf(unit) + UNITS.length + 1) % (UNITS.length + 1);

/** Traffic by reason over all nodes: conversations before packets before bytes, most first. */
export function byReason(rows: readonly UnseenRow[]): Sum[] {
  const sums = new Map<string, Sum>();
  for (const { reason, unit, count } of rows) {
    const key = `${unit} ${reason}`;
    const sum = sums.get(key);
    if (sum) sum.count += count;
    else sums.set(key, { reason, unit, count });
  }
  return [...sums.values()].sort((a, b) => rank(a.unit) - rank(b.unit) || b.count - a.count);
}

/** The most there is to say in a few lines. */
export function summed(spots: BlindSpots): { text: string; detail: string }[] {
  const { alerts, traffic } = spots;
  const out: { text: string; detail: string }[] = [];
  if (alerts.partial > 0)
    out.push({ text: 'Alerts seen in part', detail: `${count(alerts.partial)} of ${count(alerts.alerts)}` });
  const flows = (traffic?.interfaces ?? []).reduce((sum, one) => sum + one.flows, 0);
  for (const { reason, unit, count: number } of byReason(traffic?.rows ?? []))
    out.push({
      text: why(reason),
      detail: amount(number, unit) + (unit === 'flows' && flows >= number ? `, ${percent(number, flows)}` : ''),
    });
  return out;
}
