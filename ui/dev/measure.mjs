// What a user feels, of a real manager: TAPIR_URL=… TAPIR_TOKEN=… node dev/measure.mjs inbox | latency [ATTACKS]
//
// inbox: milliseconds to rows after a reload, key to paint, frames while scrolling, a filter typed, heap.
// latency: a watch on loopback delivers to this manager. Attacks from ever new addresses of 127/8; each becomes a row of the
// live inbox. Milliseconds from the sending of the request to the row in the DOM.
import http from 'node:http';
import { chromium } from 'playwright-core';

const base = process.env.TAPIR_URL ?? 'http://127.0.0.1:9443';
const [what = 'inbox', number = '200'] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--enable-precise-memory-info', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 880 } });
await context.request.post(`${base}/api/v1/session`, { data: { token: process.env.TAPIR_TOKEN } });
const page = await context.newPage();
const rows = page.locator('[role=row][id^="row-"]');
/** @param {number[]} times */
const sorted = (times) => [...times].sort((a, b) => a - b);
/** @param {number[]} times @param {number} part */
const at = (times, part) => Math.round(sorted(times)[Math.min(times.length - 1, Math.floor(times.length * part))] ?? 0);

async function inbox() {
  await page.goto(`${base}/alerts?from=now-90d`);
  await rows.first().waitFor();
  const reloads = [];
  for (let round = 0; round < 5; round += 1) {
    await page.reload();
    await rows.first().waitFor();
    reloads.push(await page.evaluate(() => performance.now()));
  }
  await page.waitForTimeout(1500);
  const keys = await page.evaluate(async () => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const times = [];
    for (let press = 0; press < 120; press += 1) {
      const start = performance.now();
      (document.activeElement ?? document.body).dispatchEvent(
        new KeyboardEvent('keydown', { key: 'j', bubbles: true }),
      );
      await frame();
      await new Promise((done) => setTimeout(done, 0));
      times.push(performance.now() - start);
      await frame();
    }
    return times;
  });
  const scroll = await page.evaluate(async () => {
    const grid = /** @type {Element} */ (document.querySelector('[role=grid]'));
    const gaps = [];
    let last = performance.now();
    const end = last + 4000;
    while (last < end) {
      grid.scrollTop += 60;
      await new Promise((done) => requestAnimationFrame(done));
      const now = performance.now();
      gaps.push(now - last);
      last = now;
    }
    return { fps: gaps.length / 4, worst: Math.max(...gaps) };
  });
  const filters = [];
  for (const query of ['severity>=high ns:team-7', 'ns:team-3', 'severity>=high', 'ns:team-11 protocol:tcp']) {
    await page.locator('#query').fill(query);
    filters.push(await filtered());
  }
  const heap = await page.evaluate(() => /** @type {any} */ (performance).memory.usedJSHeapSize / 1e6);
  console.log(`rows after a reload: median ${at(reloads, 0.5)} ms`);
  console.log(`key to paint: p50 ${at(keys, 0.5)} ms, p95 ${at(keys, 0.95)} ms`);
  console.log(`scrolling: ${scroll.fps.toFixed(0)} frames/s, longest frame ${scroll.worst.toFixed(0)} ms`);
  console.log(`Enter on a filter to its rows: median ${at(filters, 0.5)} ms, most ${at(filters, 1)} ms`);
  console.log(`heap: ${heap.toFixed(1)} MB`);
}

/** Enter in the field of the search; milliseconds until other rows are there. */
function filtered() {
  return page.evaluate(async () => {
    const rows = () => [...document.querySelectorAll('[role=row][id^="row-"]')].map((row) => row.id).join();
    const before = rows();
    const start = performance.now();
    document.querySelector('#query')?.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true }));
    while (performance.now() - start < 30_000) {
      await new Promise((done) => requestAnimationFrame(done));
      const now = rows();
      if (now !== before && now !== '') return performance.now() - start;
    }
    throw new Error('no other rows in 30 s');
  });
}

/** A server that the attacks go to, so that they are whole requests. */
async function victim() {
  const server = http.createServer((request, answer) => {
    request.resume();
    answer.end('ok');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', () => done(null)));
  return server;
}

/** @param {number} port @param {string} from */
function attack(port, from) {
  return new Promise((done, failed) => {
    const request = http.request(
      {
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/',
        localAddress: from,
        agent: false,
        headers: { 'User-Agent': 'Mozilla/4.0', 'Content-Length': 8 },
      },
      (answer) => answer.resume().on('end', done),
    );
    request.on('error', failed);
    request.end('smk=1234');
  });
}

/** @param {number} attacks */
async function latency(attacks) {
  const server = await victim();
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await page.goto(`${base}/alerts?live=1`);
  await page.locator('main').waitFor();
  await page.waitForTimeout(1500);
  await page.evaluate(() => {
    /** @type {Record<string, number>} */
    const seen = {};
    Object.assign(window, { seen });
    const look = () => {
      for (const row of document.querySelectorAll('[role=row][id^="row-"]')) {
        const from = /127\.\d+\.\d+\.\d+/.exec(row.textContent)?.[0];
        if (from) seen[from] ??= Date.now();
      }
    };
    new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  /** @type {Record<string, number>} */
  const sent = {};
  for (let one = 0; one < attacks; one += 1) {
    const from = `127.${1 + (one >> 8)}.${one & 255}.9`;
    sent[from] = Date.now();
    await attack(port, from);
    await page.waitForTimeout(50 + Math.random() * 200);
  }
  await page.waitForTimeout(3000);
  const seen = await page.evaluate(() => /** @type {any} */ (window).seen);
  const times = Object.entries(sent).flatMap(([from, start]) => (seen[from] ? [seen[from] - start] : []));
  server.close();
  if (times.length === 0) throw new Error('no attack became a row of the page');
  console.log(
    `packet to page: p50 ${at(times, 0.5)} ms, p99 ${at(times, 0.99)} ms, ${times.length} of ${attacks} attacks seen as rows`,
  );
}

if (what === 'latency') await latency(Number(number));
else await inbox();
await browser.close();
