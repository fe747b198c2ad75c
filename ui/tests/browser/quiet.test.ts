// "Quiet this": its numbers against those that were handed in, and what is hidden afterwards.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Event, heartbeat, lengthen, variant, workload } from '../../dev/events.mjs';
import { Lab, ROWS, alerts, param, rows, until } from './support';

let lab: Lab;
beforeAll(async () => void (lab = await Lab.start()));
afterAll(() => lab?.stop());

const DAY = 86_400_000;

/** Alerts of one rule between two workloads; every second one has a payload of another shape, if `shapes` is 2. */
const between = (
  from: string,
  to: string,
  count: number,
  shapes = 1,
  more: { at?: number; sid?: number } = {},
): Event[] =>
  Array.from({ length: count }, (_, index) => {
    const [client, server] = [from, to].map((party) => workload(...(party.split('/') as [string, string])));
    const event = variant(lab.of(more.sid ?? 3000056), {
      at: more.at ?? Date.now() - 1000 - index * 1000,
      client,
      server,
    });
    if (shapes > 1 && index % 2 === 1) lengthen(event, 'http_uri', Buffer.from('&second=shape'));
    return event;
  });

interface Scope {
  id: string;
  would_hide: number;
  left_visible: number;
  shapes: number;
  unopened: number;
}

test('the preview counts what was handed in; the hidden group is found again; taking it back shows what comes', async () => {
  await lab.ingest(
    ...between('scan/zap', 'q1/cart', 5, 2),
    ...between('scan/zap', 'q1/checkout', 2),
    ...between('scan/zap', 'q2/cart', 4),
    ...between('scan/bot', 'q1/cart', 3),
    // Neither of another rule, nor of more than thirty days ago.
    ...between('scan/zap', 'q1/cart', 6, 1, { sid: 21562 }),
    ...between('scan/zap', 'q1/cart', 2, 1, { at: Date.now() - 40 * DAY }),
  );
  const { page, close } = await lab.open(alerts('sid:3000056 client:scan/zap server:q1/cart'));
  await rows(page, 1);
  await page.keyboard.press('j');
  await page.keyboard.press('q');
  await page.locator('#reason').waitFor();
  await until(() => page.evaluate(() => document.activeElement?.id), 'reason');

  const shown = async () =>
    (
      await page
        .locator('label.scope')
        .evaluateAll((labels) =>
          labels.map((label) =>
            [...label.querySelectorAll('.num')].map((cell) => (cell.textContent ?? '').replace(/\s+/g, ' ').trim()),
          ),
        )
    ).map((cells) => cells.map((text) => text.replace(/^(would have hidden|left visible|shapes) /, '')));
  // Hidden, left visible, shapes: this pair, this client, this namespace, everywhere.
  expect(await shown()).toEqual([
    ['5', '9', '2 2 unopened'],
    ['11', '3', '2 2 unopened'],
    ['10', '4', '2 2 unopened'],
    ['14', '0', '2 2 unopened'],
  ]);
  const [group] = await lab.groups('sid:3000056 client:scan/zap server:q1/cart');
  const preview = await lab.ask<{ scopes: Scope[] }>('tuning/preview', { group: group?.id, days: 30 });
  expect(preview.scopes.map((one) => [one.id, one.would_hide, one.left_visible, one.shapes, one.unopened])).toEqual([
    ['pair', 5, 9, 2, 2],
    ['client', 11, 3, 2, 2],
    ['namespace', 10, 4, 2, 2],
    ['rule', 14, 0, 2, 2],
  ]);

  // Whoever has looked at a shape has opened it.
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('Enter');
  await page.locator('.drawer .options .option').first().waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.drawer').waitFor({ state: 'detached' });
  await page.keyboard.press('q');
  await page.locator('#reason').waitFor();
  await until(async () => (await shown())[0], ['5', '9', '2 1 unopened']);

  // Every alert in q1: a shape that nobody has opened needs a yes.
  await page.locator('label.scope').nth(2).click();
  await page.locator('#reason').fill('authorised scanner, ticket SEC-812');
  const send = page.getByRole('button', { name: 'Quiet in this namespace' });
  expect(await send.isDisabled()).toBe(true);
  await page.getByLabel('I understand').check();
  await send.click();
  await page.getByText('Quiet from now on').first().waitFor();

  // What comes is hidden: a group of its own never shows, one that was there before does not grow.
  await lab.ingest(...between('scan/new', 'q1/frontend', 2), ...between('scan/zap', 'q1/cart', 1));
  await until(async () => (await lab.ask<{ items: { silenced: number }[] }>('tuning')).items[0]?.silenced, 3);
  await page.locator('#query').fill('sid:3000056 server:q1/frontend');
  await page.locator('#query').press('Enter');
  await page.getByText('Nothing matches this search').waitFor();
  await page.locator('#query').fill('sid:3000056 server:q1/frontend is:suppressed');
  await page.locator('#query').press('Enter');
  await rows(page, 1);
  expect(await page.locator(ROWS).textContent()).toContain('scan/new');
  expect(param(page, 'q')).toBe('sid:3000056 server:q1/frontend is:suppressed');
  expect((await lab.groups('sid:3000056 client:scan/zap server:q1/cart'))[0]).toMatchObject({
    count: 7,
    suppressed: 1,
  });

  // The page of tuning says why, by whom, what it has silenced, and what its author saw.
  await page.getByRole('link', { name: 'Tuning', exact: true }).click();
  const line = page.locator('tr', { hasText: 'ticket SEC-812' });
  await line.waitFor();
  const text = (await line.textContent()) ?? '';
  for (const part of ['1:3000056', 'namespace q1', 'hide, keep counting', 'admin', 'in 30 days', '3'])
    expect(text).toContain(part);
  expect((await line.locator('td.num').textContent())?.trim()).toMatch(/^3\b/);
  await line.getByRole('button', { name: 'Details' }).click();
  await page
    .getByRole('dialog')
    .getByText(/would have hidden 10 alerts of 30 days in 2 shapes/)
    .waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await line.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Nothing is tuned').waitFor();
  await lab.ingest(...between('scan/new', 'q1/frontend', 1));
  await page.goto(alerts('sid:3000056 server:q1/frontend'));
  await rows(page, 1);
  await close();
});

test('the narrowest scope needs a reason and Enter, and is undone from the message', async () => {
  await lab.ingest(...between('scan/zap', 'short/cart', 2));
  const { page, close } = await lab.open(alerts('ns:short'));
  await rows(page, 1);
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.locator('.drawer .options .option').first().waitFor();
  await page.keyboard.press('q');
  await page.locator('#reason').waitFor();
  expect(await page.locator('input[name=scope]').first().isChecked()).toBe(true);
  await until(() => page.evaluate(() => document.activeElement?.id), 'reason');
  await page.keyboard.type('known test');
  await page.keyboard.press('Enter');
  await page.getByText('Quiet from now on').first().waitFor();
  await lab.ingest(...between('scan/zap', 'short/cart', 1));
  expect((await lab.groups('ns:short'))[0]).toMatchObject({ count: 2, suppressed: 1 });
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.getByText('No longer quiet').waitFor();
  await lab.ingest(...between('scan/zap', 'short/cart', 1));
  expect((await lab.groups('ns:short'))[0]).toMatchObject({ count: 3, suppressed: 1 });
  await close();
});

// The last one: from here on the manager knows nodes.
test('the message says on how many nodes it is in force, in every mode', async () => {
  await lab.ingest(...between('scan/zap', 'nodes/cart', 1));
  const node = (name: string, active: string[] = []) =>
    heartbeat(lab.manager, { node: name, suppressions_active: active });
  await node('worker-1');
  await node('worker-2');
  const { page, close } = await lab.open(alerts('ns:nodes'));
  await rows(page, 1);
  await page.keyboard.press('j');
  for (const [mode, first, last] of [
    ['hide', 'Quiet from now on', /Quiet on 2\/2 nodes in/],
    ['stop', 'Made; waiting for the nodes', /Active on 2\/2 nodes in/],
  ] as const) {
    await page.keyboard.press('q');
    await page.locator('#reason').waitFor();
    await page.locator(`input[name=mode][value=${mode}]`).check();
    await page.locator('#reason').fill(`known, ${mode}`);
    const understood = page.getByLabel('I understand');
    if (await understood.count()) await understood.check();
    await page.locator('#reason').press('Enter');
    await page.locator('.toast', { hasText: first }).waitFor();
    const { items } = await lab.ask<{ items: { id: string }[] }>('tuning');
    const active = items.map(({ id }) => id);
    await node('worker-1', active);
    await node('worker-2', active);
    const told = page.locator('.toast', { hasText: last });
    await told.waitFor();
    expect(await told.getByRole('button', { name: 'Undo' }).count()).toBe(1);
    await told.getByRole('button', { name: 'Close message' }).click();
    await told.waitFor({ state: 'detached' });
  }
  await page.goto('/tuning');
  for (const mode of ['hide', 'stop'])
    expect(await page.locator('tr', { hasText: `known, ${mode}` }).textContent()).toContain('2/2 nodes');
  await close();
});
