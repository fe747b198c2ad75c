// A real Chromium against a running manager. Nothing here knows whether that is the fixture server or the product.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContextOptions, type Page, chromium } from 'playwright-core';

export const URL_ = process.env.TAPIR_URL ?? '';
const TOKEN = process.env.TAPIR_TOKEN ?? '';

if (!URL_) console.log('browser tests are skipped: TAPIR_URL is not set (for example http://127.0.0.1:8443)');

let browser: Browser | null = null;

export async function start(): Promise<void> {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
}

export async function stop(): Promise<void> {
  await browser?.close();
  browser = null;
}

export interface Opened {
  page: Page;
  /** What the console and the page complained of, content security policy included. */
  complaints: string[];
  close: () => Promise<void>;
}

export async function open(path: string, options: BrowserContextOptions = {}): Promise<Opened> {
  if (!browser) throw new Error('start() first');
  const context = await browser.newContext({
    viewport: { width: 1400, height: 880 },
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  if (TOKEN) await context.request.post(`${URL_}/api/v1/session`, { data: { token: TOKEN } });
  await page.goto(URL_ + path);
  return { page, complaints, close: () => context.close() };
}

/** Waits until the list shows rows. */
export async function rows(page: Page): Promise<void> {
  await page.locator('[role=grid] [role=row][id^="row-"]').first().waitFor({ timeout: 15_000 });
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Finding {
  id: string;
  impact: string;
  nodes: string[];
}

/** Findings of axe that are serious or critical. Evaluated by the debugger: the policy of the page stays as it is. */
export async function axe(page: Page): Promise<Finding[]> {
  await page.evaluate(axeSource);
  return page.evaluate(async () => {
    const run = (
      globalThis as unknown as {
        axe: {
          run: (o: object) => Promise<{
            violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
          }>;
        };
      }
    ).axe;
    const result = await run.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return result.violations.map((one) => ({
      id: one.id,
      impact: one.impact,
      nodes: one.nodes.slice(0, 4).map((node) => `${node.html.slice(0, 160)} | ${node.failureSummary.slice(0, 240)}`),
    }));
  });
}
