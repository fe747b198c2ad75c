// Screenshots of the pages, for looking at: node dev/shots.mjs [name…]. Needs TAPIR_URL; writes shots/.
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';

const base = process.env.TAPIR_URL ?? 'http://127.0.0.1:8443';
const wanted = process.argv.slice(2);
mkdirSync(new URL('../shots/', import.meta.url), { recursive: true });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
});

const SCENES = {
  inbox: ['/alerts', async () => {}],
  drawer: [
    '/alerts',
    async (page) => {
      await page.locator('[role=row][tabindex="0"]').first().click();
      await page.waitForSelector('.bytes');
    },
  ],
  payload: [
    '/alerts',
    async (page) => {
      await page.locator('#row-' + (await page.locator('.item').nth(5).getAttribute('id')).slice(4)).click();
      await page.waitForSelector('.bytes');
      await page.keyboard.press('2');
      await page.waitForTimeout(500);
    },
  ],
  session: [
    '/alerts',
    async (page) => {
      await page.locator('.item').first().click();
      await page.waitForSelector('.bytes');
      await page.keyboard.press('3');
      await page.waitForTimeout(500);
    },
  ],
  related: [
    '/alerts',
    async (page) => {
      await page.locator('.item').first().click();
      await page.waitForSelector('.bytes');
      await page.keyboard.press('4');
      await page.waitForTimeout(700);
    },
  ],
  rule: [
    '/alerts',
    async (page) => {
      await page.locator('.item').first().click();
      await page.waitForSelector('.bytes');
      await page.keyboard.press('5');
      await page.waitForTimeout(700);
    },
  ],
  raw: [
    '/alerts',
    async (page) => {
      await page.locator('.item').first().click();
      await page.waitForSelector('.bytes');
      await page.keyboard.press('6');
      await page.waitForTimeout(700);
    },
  ],
  select: [
    '/alerts',
    async (page) => {
      await page.locator('.item').first().focus();
      await page.keyboard.press('x');
      await page.keyboard.press('j');
      await page.keyboard.press('j');
      await page.keyboard.press('Shift+x');
      await page.waitForTimeout(300);
    },
  ],
  dismiss: [
    '/alerts',
    async (page) => {
      await page.locator('.item').nth(2).focus();
      await page.keyboard.press('e');
      await page.waitForSelector('[role=dialog]');
    },
  ],
  quiet: [
    '/alerts',
    async (page) => {
      await page.locator('.item').nth(2).focus();
      await page.keyboard.press('q');
      await page.waitForSelector('.scope');
      await page.locator('.scope').nth(2).click();
      await page.waitForTimeout(300);
    },
  ],
  query: ['/alerts?q=severty%3E%3Dhigh', async () => {}],
  complete: [
    '/alerts',
    async (page) => {
      await page.locator('#query').pressSequentially('sev');
      await page.waitForTimeout(400);
    },
  ],
  help: [
    '/alerts',
    async (page) => {
      await page.keyboard.press('?');
      await page.waitForTimeout(400);
    },
  ],
  empty: ['/alerts?q=nothing-like-this%20ns%3Ashop', async () => {}],
  events: ['/alerts?view=events', async () => {}],
  compact: [
    '/alerts',
    async (page) => {
      await page.evaluate(() => localStorage.setItem('tapir.prefs', '{"density":"compact"}'));
      await page.reload();
      await page.waitForTimeout(900);
    },
  ],
  full: [
    null,
    async (page) => {
      await page.goto(base + '/alerts');
      const id = (await page.locator('.item').first().getAttribute('id')).slice(4);
      await page.goto(`${base}/alerts/g/${id}`);
      await page.waitForSelector('.bytes');
    },
  ],
  overview: ['/', async () => {}],
  inspections: ['/inspections', async () => {}],
  rules: ['/rules', async () => {}],
  rule1: ['/rules/1-21562', async () => {}],
  nodes: ['/nodes', async () => {}],
  tuning: ['/tuning', async () => {}],
  settings: ['/settings', async () => {}],
};

for (const [name, [path, act]] of Object.entries(SCENES)) {
  if (wanted.length && !wanted.some((w) => w.split(':')[0] === name)) continue;
  const spec = wanted.find((w) => w.split(':')[0] === name) ?? `${name}:light:1400`;
  const [, theme = 'light', width = '1400'] = spec.split(':');
  const context = await browser.newContext({
    viewport: { width: Number(width), height: Number(width) < 600 ? 860 : 880 },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  const log = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && log.push(m.text()));
  page.on('pageerror', (e) => log.push(String(e)));
  try {
    if (path !== null) {
      await page.goto(base + path);
      await page.waitForTimeout(1300);
    }
    await act(page);
    await page.waitForTimeout(400);
  } catch (e) {
    log.push(String(e).slice(0, 300));
  }
  await page.screenshot({ path: new URL(`../shots/${name}-${theme}-${width}.png`, import.meta.url).pathname });
  console.log(name, theme, width, log.length ? log : '');
  await context.close();
}
await browser.close();
