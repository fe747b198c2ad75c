// How fast the inbox feels: TAPIR_URL=… TAPIR_TOKEN=… node dev/measure.mjs. Prints milliseconds, frames and bytes of one run.
import { chromium } from 'playwright-core';

const base = process.env.TAPIR_URL ?? 'http://127.0.0.1:9443';
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--enable-precise-memory-info', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 880 } });
const signedIn = await context.request.post(`${base}/api/v1/session`, {
  data: { token: process.env.TAPIR_TOKEN ?? '' },
});
if (!signedIn.ok()) throw new Error(`signing in: ${signedIn.status()}`);
const page = await context.newPage();
/** Bytes of the heap; Chromium only. */
const used = () => page.evaluate(() => /** @type {any} */ (performance).memory.usedJSHeapSize / 1e6);
await page.goto(`${base}/alerts?from=now-90d`);
await page.locator('[role=row][id^="row-"]').first().waitFor();
await page.reload();
await page.locator('[role=row][id^="row-"]').first().waitFor();
const ready = await page.evaluate(() => performance.now());
await page.waitForTimeout(1500);

const keys = await page.evaluate(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const times = [];
  for (let press = 0; press < 120; press += 1) {
    const start = performance.now();
    (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }));
    await frame();
    await new Promise((done) => setTimeout(done, 0));
    times.push(performance.now() - start);
    await frame();
  }
  times.sort((a, b) => a - b);
  return { p50: times[60], p95: times[114] };
});
const frames = await page.evaluate(async () => {
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
  return {
    fps: (gaps.length / 4).toFixed(1),
    worst: Math.max(...gaps).toFixed(0),
    rows: document.querySelectorAll('[role=row]').length,
  };
});
const heap = await used();
console.log({ rowsAfterReloadMs: Math.round(ready), keyToPaintMs: keys, scroll: frames, heapMB: heap.toFixed(1) });
if (process.argv.includes('--live')) {
  await page.evaluate(() => document.querySelector('[role=grid]')?.scrollTo(0, 0));
  await page.waitForTimeout(60_000);
  console.log({
    heapAfterMinuteLiveMB: (await used()).toFixed(1),
    waiting: await page.locator('.new').allTextContents(),
  });
}
await browser.close();
