import { expect, test } from 'vitest';
import { incumbentFacts } from './incumbent';

test('facts have the names and the order that the incumbent had, and N/A where nothing is known', () => {
  const facts = incumbentFacts(
    JSON.stringify({
      type: 'deep_packet_inspection',
      origin: 'dpi.shop/front',
      severity: 100,
      source_ip: '10.0.0.1',
      source_port: 0,
      dest_namespace: '',
      record: { snort_signature_id: '1' },
      tapir: { any: 1 },
    }),
  );
  expect(facts.map(([label]) => label)).toEqual([
    'Description',
    'Type',
    'Severity',
    'Origin',
    'Source IP',
    'Source port',
    'Source namespace',
    'Source name',
    'Source name aggregation',
    'Destination IP',
    'Destination port',
    'Destination namespace',
    'Destination name',
    'Destination name aggregation',
    'Host',
    'Record',
  ]);
  const value = new Map(facts);
  expect(value.get('Type')).toBe('Deep Packet Inspection');
  expect([value.get('Severity'), value.get('Source port')]).toEqual(['100', '0']);
  expect([value.get('Description'), value.get('Destination namespace'), value.get('Host')]).toEqual([
    'N/A',
    'N/A',
    'N/A',
  ]);
  expect(value.get('Record')).toBe('{\n  "snort_signature_id": "1"\n}');
});

test('what is no document has no facts', () => {
  for (const text of ['', 'CEF:0|x', '[1]', 'null', '"x"']) expect(incumbentFacts(text)).toEqual([]);
});
