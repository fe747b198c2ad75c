// ECS documents, one a line on standard input, held against Elastic's own types of the same version, by the TypeScript compiler.
//
// usage: node ecs.mjs MODULES      MODULES: the folder that has node_modules/@elastic/ecs and typescript
//
// A literal may have no member that its type lacks, so an unknown field is an error at any depth, but below the few fields that the
// types leave open. Documents of one structure are compiled once. Beyond it: what the schema says in prose about values. Members besides ECS's own
// are `tapir` and `kubernetes`, the latter as Beats write it.
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const modules = resolve(process.argv[2] ?? '.');
const require = createRequire(join(modules, 'package.json'));
const ts = require('typescript');
const version = require('@elastic/ecs/package.json').version;

/** Names and kinds of values, without the values: documents of one shape have one. */
function shape(value) {
  if (Array.isArray(value)) return `[${[...new Set(value.map(shape))].sort()}]`;
  if (value === null || typeof value !== 'object') return value === null ? 'null' : typeof value;
  return `{${Object.keys(value).sort().map((name) => `${name}:${shape(value[name])}`)}}`;
}

/** What the compiler says of documents, each with the document's number. */
function compiled(documents) {
  const folder = mkdtempSync(join(tmpdir(), 'tapir-ecs-'));
  try {
    symlinkSync(join(modules, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, 'events.ts');
    const head = ["import type { Ecs } from '@elastic/ecs';", 'type Document = Ecs & { tapir?: unknown; kubernetes?: unknown };', 'export const all: Document[] = ['];
    writeFileSync(path, [...head, ...documents.map((one) => `${JSON.stringify(one)},`), '];', ''].join('\n'));
    const program = ts.createProgram([path], {
      strict: true, noEmit: true, skipLibCheck: true, types: [], module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler, preserveSymlinks: true,
    });
    return ts.getPreEmitDiagnostics(program).map((one) => {
      const line = one.file ? one.file.getLineAndCharacterOfPosition(one.start).line - head.length : -1;
      return [line, ts.flattenDiagnosticMessageText(one.messageText, ' ').slice(0, 300)];
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
const addresses = (one) => [one.source, one.destination, one.client, one.server].flatMap((end) => list(end?.ip)).concat(list(one.related?.ip), list(one.orchestrator?.resource?.ip));
const macs = (one) => [one.source, one.destination].flatMap((end) => list(end?.mac));

/** What the schema says in words. */
const PROSE = {
  'ecs.version is that of the types': (one) => one.ecs?.version === version,
  '@timestamp is a date': (one) => !Number.isNaN(Date.parse(one['@timestamp'])),
  'event.kind, category and type go together': (one) =>
    one.event.kind === 'alert' && list(one.event.category).includes('intrusion_detection') &&
    list(one.event.type).every((type) => ['allowed', 'denied', 'info'].includes(type)),
  'addresses are addresses': (one) => addresses(one).every((ip) => isIP(ip) !== 0),
  'hardware addresses have dashes and capitals': (one) => macs(one).every((mac) => /^[0-9A-F]{2}(-[0-9A-F]{2}){5,}$/.test(mac)),
  'network.transport, protocol and type are lower case': (one) =>
    [one.network?.transport, one.network?.protocol, one.network?.type].every((word) => word === undefined || word === word.toLowerCase()),
  'network.direction is of the perimeter': (one) => [undefined, 'inbound', 'outbound', 'internal', 'external'].includes(one.network?.direction),
  'url.domain has no port': (one) => !/^[^:[\]]*:\d*$|\]:\d*$/.test(one.url?.domain ?? ''),
  'related.ip has both sides': (one) => [one.source, one.destination].flatMap((end) => list(end?.ip)).every((ip) => list(one.related?.ip).includes(ip)),
  'techniques and sub-techniques are in their places': (one) =>
    list(one.threat?.technique?.id).every((id) => /^T\d{4}$/.test(id)) &&
    list(one.threat?.technique?.subtechnique?.id).every((id) => /^T\d{4}\.\d{3}$/.test(id)) &&
    list(one.threat?.tactic?.id).every((id) => /^TA\d{4}$/.test(id)),
  'tls.version is a number': (one) => one.tls?.version === undefined || /^\d(\.\d)?$/.test(one.tls.version),
  'event.start is not after the event': (one) => one.event.start === undefined || Date.parse(one.event.start) <= Date.parse(one['@timestamp']),
  'ports are ports': (one) => [one.source, one.destination].every((end) => end?.port === undefined || (Number.isInteger(end.port) && end.port >= 0 && end.port < 65536)),
};

const documents = readFileSync(0, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
const faults = new Map();
const fault = (what, document) => faults.set(what, [...(faults.get(what) ?? []), document.event?.id]);
for (const one of documents) {
  for (const [what, holds] of Object.entries(PROSE)) if (!holds(one)) fault(what, one);
}
const shapes = [...new Map(documents.map((one) => [shape(one), one])).values()];
for (const [line, what] of compiled(shapes)) fault(what, shapes[line] ?? {});

// That an unknown field and a wrong kind are noticed, at the top and below.
const first = documents[0] ?? {};
const bad = [{ ...first, bogus: 1 }, { ...first, rule: { ...first.rule, bogus: 1 } }, { ...first, source: { ...first.source, port: 'x' } }];
const noticed = new Set(compiled([first, ...bad]).map(([line]) => line));
if (documents.length === 0 || noticed.has(0) === noticed.has(1) || noticed.size < bad.length) fault('a damaged document passes', first);

for (const [what, ids] of faults) console.log(`FAILED  ecs: ${ids.length} times, first ${ids[0]}: ${what}`);
if (faults.size === 0) console.log(`ok      ecs: ${documents.length} documents of ${shapes.length} structures`);
process.exit(faults.size === 0 ? 0 : 1);
