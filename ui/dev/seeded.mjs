// A manager with something in it, for looking at and for `npm run dev`: node dev/seeded.mjs BINARY [--pages DIR] [--live N].
// Prints where it is and the token; Ctrl-C ends it. `--live N`: so many alerts a second keep coming.
import { parseArgs } from 'node:util';
import { beat, fill } from './cluster.mjs';
import { demonstration, ingest, variant, workload } from './events.mjs';
import { startManager } from './manager.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pages: { type: 'string' },
    live: { type: 'string', default: '0' },
    listen: { type: 'string', default: '127.0.0.1:9443' },
  },
});
const binary = positionals[0];
if (!binary) {
  console.error('usage: node dev/seeded.mjs BINARY [--pages DIR] [--live ALERTS_A_SECOND] [--listen ADDRESS]');
  process.exit(2);
}
const of = demonstration(binary);
const manager = await startManager(binary, { pages: values.pages, listen: values.listen });
await fill(manager, of);
console.log(`${manager.url}\nadmin token: ${manager.admin}\nagent token: ${manager.agent}`);

let stopping = false;
const stop = async () => {
  if (stopping) return;
  stopping = true;
  await manager.stop();
  process.exit(0);
};
process.on('SIGINT', () => void stop());
process.on('SIGTERM', () => void stop());

const SIDS = [21562, 3000002, 3000056, 3000021, 3000070, 9000002];
const rate = Math.min(Number(values.live) || 0, 5000);
for (let number = 0; ; number += 1) {
  await new Promise((done) => setTimeout(done, 1000));
  if (number % 30 === 0) await beat(manager).catch(() => {});
  if (rate === 0) continue;
  const batch = Array.from({ length: rate }, (_, index) =>
    variant(of(SIDS[(number + index) % SIDS.length] ?? 21562), {
      from: `10.9.${(index >> 4) & 255}.${index & 15}`,
      server: workload('shop', 'frontend'),
    }),
  );
  await ingest(manager, batch).catch((error) => stopping || console.error(String(error)));
}
