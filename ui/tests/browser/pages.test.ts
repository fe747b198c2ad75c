// Every page and overlay: what axe-core says of it, whether it fits, and a picture, in both themes, wide and narrow.
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { beat, fill } from '../../dev/cluster.mjs';
import { type GroupRow, Lab, ROWS, alerts, rows, until } from './support';

const PICTURES =
  process.env.TAPIR_SCREENSHOTS ?? fileURLToPath(new URL('../../../target/screenshots', import.meta.url));
mkdirSync(PICTURES, { recursive: true });

let lab: Lab;
/** Just started: no event, no node. */
let fresh: Lab;
let group: GroupRow;
beforeAll(async () => {
  [lab, fresh] = await Promise.all([Lab.start(), Lab.start()]);
  await fill(lab.manager, lab.of);
  group = (await lab.groups('sid:21562'))[0] as GroupRow;
  const [noisy] = (await lab.groups('sid:9000002')) as [GroupRow];
  await lab.ask('groups/actions', { ids: [noisy.id], action: 'dismiss', reason: 'expected', comment: 'health checks' });
  await lab.ask('groups/actions', { ids: [group.id], action: 'assign', assignee: 'ana' });
  await lab.ask('groups/actions', { ids: [group.id], action: 'comment', comment: 'checked with payments, not theirs' });
  const { scopes } = await lab.ask<{ scopes: { scope: object; gid: number; sid: number }[] }>('tuning/preview', {
    group: (await lab.groups('sid:3000140'))[0]?.id,
  });
  const { scope, gid, sid } = scopes[0] ?? { scope: {}, gid: 1, sid: 3000140 };
  await lab.ask('tuning', {
    gid,
    sid,
    scope,
    mode: 'hide',
    reason: 'authorised scanner, ticket SEC-812',
    expires: 'now+30d',
  });
});
afterAll(async () => {
  await lab?.stop();
  await fresh?.stop();
});

beforeEach(() => beat(lab.manager));

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The rules that look at colours; all others say the same in both themes. */
const COLOURS = ['color-contrast', 'link-in-text-block'];

interface Axe {
  run: (options: object) => Promise<{
    violations: { id: string; nodes: { html: string; target: unknown[]; failureSummary?: string }[] }[];
  }>;
}

/** Findings, evaluated by the debugger: the policy of the page stays as it is. */
async function axe(page: Page, rules: string[] | null): Promise<string[]> {
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axeSource);
  return page.evaluate(
    async ([tags, only]) => {
      const runOnly = only ? { type: 'rule', values: only } : { type: 'tag', values: tags };
      const { violations } = await (globalThis as unknown as { axe: Axe }).axe.run({
        runOnly,
        resultTypes: ['violations'],
      });
      // What a menu that the reader has opened lies over is no target until it is closed; where its edge falls is up to the
      // widths of the fonts. Everything beside it, and all that is in it, is judged.
      const open = [...document.querySelectorAll('[data-popover-content], [role=menu][data-state=open]')];
      const covered = ([selector]: unknown[]): boolean => {
        const element = document.querySelector(String(selector));
        if (!element || open.some((menu) => menu.contains(element))) return false;
        const at = element.getBoundingClientRect();
        return open
          .map((menu) => menu.getBoundingClientRect())
          .some((menu) => menu.left < at.right && at.left < menu.right && menu.top < at.bottom && at.top < menu.bottom);
      };
      return violations.flatMap((one) =>
        one.nodes
          .filter((node) => one.id !== 'target-size' || !covered(node.target))
          .slice(0, 3)
          .map((node) => `${one.id}: ${node.html.slice(0, 200)} | ${node.failureSummary?.slice(0, 300)}`),
      );
    },
    [TAGS, rules] as const,
  );
}

type Step = (page: Page) => Promise<unknown>;
const there =
  (...selectors: string[]): Step =>
  async (page) => {
    for (const selector of selectors) await page.locator(selector).first().waitFor();
  };
const list: Step = async (page) => {
  await rows(page);
  await there('.plot .u-over')(page);
};
const dialog: Step = (page) => page.locator('[role=dialog][data-state=open]').waitFor();
/** Keys on the first row of the list, then what must be there. */
const keys =
  (pressed: string[], ...then: Step[]): Step =>
  async (page) => {
    await list(page);
    await page.keyboard.press('j');
    await until(() => page.evaluate(() => document.activeElement?.id.startsWith('row-')), true);
    for (const key of pressed) await page.keyboard.press(key);
    for (const step of then) await step(page);
  };
const drawer =
  (tab: string, ...selectors: string[]): Step =>
  async (page) => {
    await list(page);
    await page.keyboard.press('j');
    await page.keyboard.press('o');
    await there('.drawer .options .option', '.drawer figure.bytes')(page);
    await page.keyboard.press(tab);
    await there(...selectors)(page);
  };

/** Name, address, what to do until it can be looked at. */
const SCENES: [name: string, path: string, step: Step, widths?: number[]][] = [
  ['overview', '/', there('.tiles', '.plot .u-over', '.list .bar')],
  ['inbox', '/alerts', list],
  ['inbox-all', '/alerts?status=all&from=now-30d&sort=severity', list],
  ['events', '/alerts?view=events', list],
  ['selection', '/alerts', keys(['x', 'j', 'x'], there('.foot.on'))],
  ['drawer-why', '/alerts?q=sid:21562', drawer('1', '.history li')],
  ['drawer-payload', '/alerts?q=sid:21562', drawer('2', 'figure.bytes mark')],
  ['drawer-session', '/alerts?q=sid:21562', drawer('3', '.drawer dl')],
  ['drawer-related', '/alerts?q=sid:21562', drawer('4', '.drawer svg.card')],
  ['drawer-rule', '/alerts?q=sid:21562', drawer('5', '.drawer pre mark')],
  ['drawer-raw', '/alerts?q=sid:21562', drawer('6', '.drawer pre')],
  ['dismiss', '/alerts', keys(['e'], dialog)],
  ['assign', '/alerts', keys(['i'], dialog)],
  [
    'quiet',
    '/alerts?q=sid:3000056',
    keys(['q'], there('#reason'), async (page) => {
      await page.locator('label.scope').nth(2).click();
      await page.locator('.risk').waitFor();
    }),
  ],
  ['help', '/alerts', keys(['?'], dialog)],
  ['palette', '/alerts', keys(['Control+k'], dialog)],
  ['time-range', '/alerts', keys(['t'], there('[data-popover-content]'))],
  [
    'account',
    '/alerts',
    async (page) => {
      await list(page);
      await page.getByRole('button', { name: 'Account and display' }).click();
      await page.locator('[role=menu][data-state=open]').waitFor();
    },
  ],
  [
    'facets',
    '/alerts',
    async (page) => {
      await list(page);
      await page.getByRole('button', { name: 'Facets' }).click();
      await there('[role=dialog] .facets section')(page);
    },
    [400],
  ],
  [
    'table',
    '/alerts',
    async (page) => {
      await list(page);
      await page.getByRole('button', { name: 'Table' }).click();
      await there('.histogram table')(page);
    },
  ],
  ['query-error', alerts('ns:shop severty>=high'), there('.problem')],
  [
    'completion',
    '/alerts',
    async (page) => {
      await list(page);
      await page.keyboard.press('/');
      await page.keyboard.type('severity:');
      await there('#query-choices [role=option]')(page);
    },
  ],
  ['nothing-matches', alerts('ns:shop ns:nowhere'), there('.empty strong')],
  ['inspections', '/inspections', there('td a')],
  ['inspection', '/inspections/shop/all', there('td a')],
  ['rules', '/rules', there('td a')],
  ['rule', '/rules/1-21562', there('.words li', 'svg')],
  ['tuning', '/tuning', there('td a')],
  ['nodes', '/nodes', there('td a')],
  ['node', '/nodes/worker-2', there('td a')],
  ['blind-spots', '/blind-spots', there('td a', '[aria-label="Encrypted, by interface"] td')],
  ['settings', '/settings', there('td', 'h2')],
  ['missing', '/no-such-page', there('h1')],
];

async function look(page: Page, name: string, width: number): Promise<void> {
  const findings: string[] = [];
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    // Two frames: the histogram is drawn anew in the first.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    for (const one of await axe(page, theme === 'light' ? null : COLOURS)) findings.push(`${theme}: ${one}`);
    await page.screenshot({ path: `${PICTURES}/${name}-${theme}-${width}.png`, caret: 'initial' });
  }
  expect(findings).toEqual([]);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
}

for (const width of [1400, 400]) {
  describe(`${width} px`, () => {
    for (const [name, path, step, widths] of SCENES) {
      test.skipIf(widths && !widths.includes(width))(name, async () => {
        const { page, close } = await lab.open(path, { width });
        await step(page);
        await look(page, name, width);
        await close(400);
      });
    }

    test('an alert opened directly', async () => {
      const { page, close } = await lab.open(`/alerts/g/${group.id}?tab=payload`, { width });
      await there('.drawer.full figure.bytes mark')(page);
      await look(page, 'alert', width);
      await close();
    });

    test('sign-in', async () => {
      const { page, close } = await lab.open('/alerts', { as: 'nobody', width });
      await there('#token')(page);
      await look(page, 'sign-in', width);
      await close(401);
    });

    test('a manager that has just started', async () => {
      const { page, close } = await fresh.open('/alerts', { width });
      await page.getByText('Nothing is being inspected yet').waitFor();
      await look(page, 'fresh-alerts', width);
      await page.goto('/');
      await there('.tiles', '.list')(page);
      await look(page, 'fresh-overview', width);
      await close();
    });
  });
}

test('at 320 px nothing is wider than the window', async () => {
  const { page, close } = await lab.open('/alerts', { width: 320, height: 700 });
  for (const [, path, step] of SCENES.filter(([name]) =>
    ['overview', 'inbox', 'inspections', 'rules', 'rule', 'tuning', 'nodes', 'blind-spots', 'settings'].includes(name),
  )) {
    await page.goto(path);
    await step(page);
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBeLessThanOrEqual(320);
  }
  expect(await page.locator(ROWS).count()).toBe(0);
  await close();
});
