// axe-core over every page and overlay, in both themes and at phone width.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { URL_, axe, open, rows, start, stop, type Opened } from './support';

type Step = (opened: Opened) => Promise<void>;

const alerts: Step = ({ page }) => rows(page);
const press =
  (...keys: string[]): Step =>
  async (opened) => {
    await rows(opened.page);
    await opened.page.locator('[role=grid] [role=row][id^="row-"]').first().focus();
    for (const key of keys) {
      await opened.page.keyboard.press(key);
      await opened.page.waitForTimeout(350);
    }
  };
const settle: Step = ({ page }) => page.waitForTimeout(900);

const SCENES: [string, string, Step][] = [
  ['inbox', '/alerts', alerts],
  ['single alerts', '/alerts?view=events', alerts],
  ['selection', '/alerts', press('x', 'j', 'x')],
  ['drawer, why', '/alerts', press('Enter')],
  ['drawer, payload', '/alerts', press('Enter', '2')],
  ['drawer, session', '/alerts', press('Enter', '3')],
  ['drawer, related', '/alerts', press('Enter', '4')],
  ['drawer, rule', '/alerts', press('Enter', '5')],
  ['drawer, raw', '/alerts', press('Enter', '6')],
  ['dismissing', '/alerts', press('e')],
  ['quieting', '/alerts', press('q')],
  ['help', '/alerts', press('?')],
  ['palette', '/alerts', press('Control+k')],
  ['query error', '/alerts?q=severty%3E%3Dhigh', settle],
  ['overview', '/', settle],
  ['inspections', '/inspections', settle],
  ['rules', '/rules', settle],
  ['tuning', '/tuning', settle],
  ['nodes', '/nodes', settle],
  ['settings', '/settings', settle],
];

describe.skipIf(!URL_)('accessibility', () => {
  beforeAll(start);
  afterAll(stop);

  for (const [theme, width] of [
    ['light', 1400],
    ['dark', 1400],
    ['light', 320],
  ] as const) {
    for (const [name, path, step] of SCENES) {
      test(`${name}, ${theme}, ${width} px`, async () => {
        const opened = await open(path, { colorScheme: theme, viewport: { width, height: 860 } });
        await step(opened);
        const findings = (await axe(opened.page)).filter((finding) => ['serious', 'critical'].includes(finding.impact));
        expect(findings, JSON.stringify(findings, null, 2)).toEqual([]);
        await opened.close();
      });
    }
  }
});
