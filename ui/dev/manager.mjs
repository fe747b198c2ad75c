/**
 * A real manager on loopback with a store of its own, for tests and for looking at: it goes, with all that it kept, when
 * it is stopped or this process ends.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Long enough for a machine that does much else. */
const PATIENCE = 60_000;
const RULES = ['../../rules', 'more.rules'].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** @typedef {{ url: string, admin: string, agent: string, stop: () => Promise<void> }} Manager */

/**
 * Starts one. Listens on a free port of loopback.
 * @param {string} binary
 * @param {{ pages?: string, listen?: string, args?: string[] }} options `pages`: a folder to serve instead of the pages in
 * the binary; `args`: further arguments
 * @returns {Promise<Manager>}
 */
export async function startManager(binary, options = {}) {
  const work = mkdtempSync(join(process.env.TAPIR_WORK ?? tmpdir(), 'manager-'));
  const ready = join(work, 'address');
  const manager = spawn(
    binary,
    [
      'manager',
      ...['--listen', options.listen ?? '127.0.0.1:0', '--data-dir', join(work, 'data'), '--ready-file', ready],
      ...['--cluster', 'demo', '--rules', ...RULES],
      ...(options.pages ? ['--pages', options.pages] : []),
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const died = new Promise((done) => manager.once('close', done));
  const end = () => void manager.kill('SIGKILL');
  process.once('exit', end);
  let said = '';
  let printed = '';
  manager.stdout.on('data', (data) => (printed += String(data)));
  manager.stderr.on('data', (data) => (said = (said + String(data)).slice(-4000)));
  manager.once('error', (error) => (said += String(error)));

  const stop = async () => {
    manager.kill('SIGTERM');
    const late = setTimeout(end, 15_000);
    await died;
    clearTimeout(late);
    process.removeListener('exit', end);
    rmSync(work, { recursive: true, force: true });
  };
  /** @param {string} name */
  const token = (name) => new RegExp(`^${name} token: (\\S+)$`, 'm').exec(printed)?.[1] ?? '';
  for (const until = Date.now() + PATIENCE; ;) {
    const address = existsSync(ready) ? readFileSync(ready, 'utf8').trim() : '';
    if (address && token('admin') && token('agent')) {
      return { url: `http://${address}`, admin: token('admin'), agent: token('agent'), stop };
    }
    if (manager.exitCode !== null || manager.pid === undefined || Date.now() > until) {
      await stop();
      throw new Error(`the manager did not start: ${said}`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}
