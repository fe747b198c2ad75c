/**
 * An event as the incumbent's page told it: its names, its order, its words for what is missing. Who worked there finds here what he
 * looked for under the names he knows.
 */

/** Names and members of the incumbent's document, in the order of its expanded row. */
const FACTS: readonly (readonly [label: string, member: string])[] = [
  ['Description', 'description'],
  ['Type', 'type'],
  ['Severity', 'severity'],
  ['Origin', 'origin'],
  ['Source IP', 'source_ip'],
  ['Source port', 'source_port'],
  ['Source namespace', 'source_namespace'],
  ['Source name', 'source_name'],
  ['Source name aggregation', 'source_name_aggr'],
  ['Destination IP', 'dest_ip'],
  ['Destination port', 'dest_port'],
  ['Destination namespace', 'dest_namespace'],
  ['Destination name', 'dest_name'],
  ['Destination name aggregation', 'dest_name_aggr'],
  ['Host', 'host'],
  ['Record', 'record'],
];
const NONE = 'N/A';
const TYPES: Readonly<Record<string, string>> = { deep_packet_inspection: 'Deep Packet Inspection' };

/** Its facts; an empty list for what is no document. */
export function incumbentFacts(text: string): [label: string, value: string][] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return [];
  }
  if (document === null || typeof document !== 'object' || Array.isArray(document)) return [];
  const members = document as Record<string, unknown>;
  return FACTS.map(([label, member]) => [label, shown(member, members[member])]);
}

function shown(member: string, value: unknown): string {
  if (value === undefined || value === null || value === '') return NONE;
  if (member === 'type') return TYPES[String(value)] ?? String(value);
  return typeof value === 'object' ? JSON.stringify(value, null, 2) : String(value as string | number | boolean);
}
