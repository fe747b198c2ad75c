// What an analyst does in the inbox.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { variant, workload } from '../../dev/events.mjs';
import { type GroupRow, Lab, ROWS, alerts, focus, holds, param, rows, until } from './support';

let lab: Lab;
beforeAll(async () => void (lab = await Lab.start()));
afterAll(() => lab?.stop());

/** Alerts by these rules on a namespace that only one test uses, a minute apart, the first the newest. */
const attack = (namespace: string, sids: number[], more: object = {}) =>
  lab.ingest(
    ...sids.map((sid, index) =>
      variant(lab.of(sid), {
        at: Date.now() - 1000 - index * 60_000,
        client: workload('scan', 'zap'),
        server: workload(namespace, 'cart'),
        ...more,
      }),
    ),
  );

/** Many groups: one rule, one private address each. */
const crowd = (namespace: string, count: number) =>
  lab.ingest(
    ...Array.from({ length: count }, (_, index) =>
      variant(lab.of(3000056), {
        at: Date.now() - 1000 - index * 1000,
        from: `10.${9 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
        server: workload(namespace, 'cart'),
      }),
    ),
  );

const live = '.link.live';

test('an alert appears without a reload', async () => {
  await attack('live', [3000002]);
  const { page, close } = await lab.open(alerts('ns:live'));
  await rows(page, 1);
  await page.locator(live).waitFor();
  const start = performance.now();
  await attack('live', [21562]);
  const kept = performance.now();
  await page.locator(ROWS, { hasText: 'Trojan check-in' }).waitFor();
  console.log(
    `an alert is on the page ${Math.round(performance.now() - start)} ms after it was sent, ` +
      `${Math.round(performance.now() - kept)} ms after the manager had it`,
  );
  // The newest is at the top, and the number of the tab has followed.
  expect(await page.locator(ROWS).first().textContent()).toContain('Trojan check-in');
  await until(() => page.locator('nav[aria-label="Status"] a').first().locator('.number').textContent(), '2');
  await close();
});

test('a list that somebody reads is not moved: what is new waits, and counts go on', async () => {
  await attack('read', [3000002, 3000021]);
  const { page, close } = await lab.open(alerts('ns:read'));
  await rows(page, 2);
  await page.locator(live).waitFor();
  await page.keyboard.press('j');
  await holds(async () => (await focus(page)).startsWith('row-'));
  const before = await page.locator(ROWS).first().getAttribute('id');
  await attack('read', [21562]);
  await page.getByRole('button', { name: '1 new' }).waitFor();
  expect(await page.locator(ROWS).count()).toBe(2);
  expect(await page.locator(ROWS).first().getAttribute('id')).toBe(before);
  await page.getByRole('button', { name: '1 new' }).click();
  await rows(page, 3);
  await close();
});

test('what another analyst dismisses goes, on a list that was left and found again, too', async () => {
  await attack('shared', [3000002, 21562]);
  const { page, close } = await lab.open(alerts('ns:shared'));
  await rows(page, 2);
  await page.locator(live).waitFor();
  const [one, two] = (await lab.groups('ns:shared')) as [GroupRow, GroupRow];
  await lab.ask('groups/actions', { ids: [one.id], action: 'dismiss', reason: 'expected' });
  await rows(page, 1);
  await page.locator('nav[aria-label="Status"] a', { hasText: 'Dismissed' }).click();
  await page.locator(`#row-${one.id}`).waitFor();
  await lab.ask('groups/actions', { ids: [two.id], action: 'dismiss', reason: 'expected' });
  await page.locator(`#row-${two.id}`).waitFor();
  await attack('shared', [3000021]);
  await page.goBack();
  await page.locator(ROWS, { hasText: 'Shell command' }).waitFor();
  await rows(page, 1);
  await close();
});

test('the query language finds, and says where it does not understand', async () => {
  await attack('search', [3000002, 21562, 9000002]);
  const { page, close } = await lab.open(alerts('ns:search'));
  await rows(page, 3);
  await page.keyboard.press('/');
  await until(() => focus(page), 'query');
  await page.locator('#query').fill('ns:search severity>=high (trojan OR uri:nothing) -is:dismissed');
  await page.keyboard.press('Enter');
  await rows(page, 1);
  expect(await page.locator(ROWS).textContent()).toContain('Trojan check-in');
  expect(param(page, 'q')).toBe('ns:search severity>=high (trojan OR uri:nothing) -is:dismissed');

  await page.locator('#query').fill('ns:search severty>=high');
  await page.keyboard.press('Enter');
  const problem = page.getByRole('alert');
  await problem.waitFor();
  expect(await problem.textContent()).toContain('unknown field: severty');
  expect(await page.locator('.wrong').textContent()).toBe('severty');
  expect(await page.locator('#query').getAttribute('aria-invalid')).toBe('true');
  await page.getByRole('button', { name: /Use severity/ }).click();
  await rows(page, 2);
  expect(param(page, 'q')).toBe('ns:search severity>=high');

  // A place behind letters that are longer than one byte.
  await page.locator('#query').fill('"größer" (ns:search');
  await page.keyboard.press('Enter');
  await page.getByText('missing )').waitFor();
  await page.locator('#query').fill('"größer" severty:low ns:x');
  await page.keyboard.press('Enter');
  await until(() => page.locator('.wrong').textContent(), 'severty');
  await close(400);
});

test('the search completes fields and values', async () => {
  await attack('complete', [21562]);
  const { page, close } = await lab.open(alerts('ns:complete'));
  await rows(page, 1);
  await page.locator('#query').fill('');
  await page.keyboard.type('sever');
  await page.locator('#query-choices [role=option]').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  expect(await page.locator('#query').inputValue()).toMatch(/^severity/);
  await page.locator('#query').fill('ns:compl');
  await page.locator('#query-choices [role=option]', { hasText: 'complete' }).first().waitFor();
  await close();
});

test('letters do nothing while one types', async () => {
  await attack('typing', [21562]);
  const { page, close } = await lab.open(alerts('ns:typing'));
  await rows(page, 1);
  await page.keyboard.press('/');
  await until(() => focus(page), 'query');
  await page.locator('#query').fill('');
  await page.keyboard.type('equals');
  expect(await page.locator('#query').inputValue()).toBe('equals');
  expect(await page.getByRole('dialog').count()).toBe(0);
  await close();
});

test('a drag over the histogram is the time range, and back is back', async () => {
  const hour = 3_600_000;
  await attack('brush', [21562], { at: Date.now() - 20 * hour });
  await attack('brush', [3000002], { at: Date.now() - 4 * hour });
  const { page, close } = await lab.open(alerts('ns:brush'));
  await rows(page, 2);
  const over = page.locator('.plot .u-over');
  await over.waitFor();
  const box = await over.boundingBox();
  if (!box) throw new Error('the histogram has no place');
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width * 0.05, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.25, y, { steps: 8 });
  await page.mouse.move(box.x + box.width * 0.5, y, { steps: 8 });
  await page.mouse.up();
  await rows(page, 1);
  expect(await page.locator(ROWS).textContent()).toContain('Trojan check-in');
  const [from, to] = [param(page, 'from'), param(page, 'to')].map((at) => Date.parse(at ?? ''));
  expect(from).toBeGreaterThan(Date.now() - 24 * hour);
  expect(from).toBeLessThan(Date.now() - 20 * hour);
  expect(to).toBeGreaterThan(Date.now() - 14 * hour);
  expect(to).toBeLessThan(Date.now() - 10 * hour);
  await page.goBack();
  await rows(page, 2);
  expect(param(page, 'from')).toBe(null);
  await close();
});

test('a row counts what is in the range, says how many there are in all, and sorts by those', async () => {
  const day = 24 * 3_600_000;
  for (const days of [3, 4]) await attack('ranged', [21562, 21562], { at: Date.now() - days * day });
  await attack('ranged', [21562, 3000002, 3000002]);
  const { page, close } = await lab.open(alerts('ns:ranged', '&sort=count'));
  await rows(page, 2);
  // Five of one rule, one of them in the last 24 hours; two of the other, both there.
  const counts = () => page.locator(ROWS).locator('.count .sr').allTextContents();
  await until(counts, ['1 in this range, 5 in all', '2 in this range, 2 in all']);
  expect(await page.locator(ROWS).locator('.count .big > [aria-hidden]').allTextContents()).toEqual(['1', '2']);
  expect(await page.getByRole('button', { name: 'Sort: count of all time' }).count()).toBe(1);
  // What the stream brings is counted, too.
  await page.locator(live).waitFor();
  await attack('ranged', [21562]);
  await until(counts, ['2 in this range, 6 in all', '2 in this range, 2 in all']);
  await close();
});

test('the histogram has a brush for the keyboard and a table', async () => {
  await attack('bars', [21562, 9000002]);
  const { page, close } = await lab.open(alerts('ns:bars'));
  await rows(page, 2);
  await page.locator('.plot .u-over').waitFor();
  await page.locator('.plot').focus();
  for (const key of ['ArrowLeft', 'ArrowLeft', 'Shift+ArrowRight', 'Enter']) await page.keyboard.press(key);
  await holds(() => /^\d{4}-\d\d-\d\dT/.test(param(page, 'from') ?? ''));
  await page.goBack();
  await page.getByRole('button', { name: 'Table' }).click();
  const table = page.getByRole('region', { name: 'Alerts over time, table' });
  await table.waitFor();
  // One high and one info alert, in one bucket or in two.
  const cells = await table
    .locator('tbody tr')
    .evaluateAll((lines) =>
      lines.map((line) => [...line.querySelectorAll('td.num')].map((cell) => Number(cell.textContent))),
    );
  expect([0, 1, 2, 3, 4].map((column) => cells.reduce((sum, line) => sum + (line[column] ?? 0), 0))).toEqual([
    0, 1, 0, 0, 1,
  ]);
  await close();
});

test('by keyboard from the inbox to the bytes and back, with the focus where it was', async () => {
  await attack('keys', [3000002, 21562, 3000021]);
  const { page, close } = await lab.open(alerts('ns:keys'));
  await rows(page, 3);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  const row = `row-${(await lab.groups('ns:keys'))[1]?.id}`;
  await until(() => focus(page), row);
  await page.keyboard.press('Enter');
  await page.locator('.drawer h2', { hasText: 'Trojan check-in' }).waitFor();
  expect(new URL(page.url()).pathname).toBe(`/alerts/g/${row.slice(4)}`);
  await page.keyboard.press('2');
  await page.locator('figure.bytes').first().waitFor();
  expect(param(page, 'tab')).toBe('payload');
  // From within the drawer, too.
  await page.getByRole('tab', { name: 'Payload' }).focus();
  await page.keyboard.press('Escape');
  await page.locator('.drawer').waitFor({ state: 'detached' });
  await until(() => focus(page), row);
  expect(new URL(page.url()).pathname).toBe('/alerts');
  await close();
});

test('the matched bytes are marked where the rule found them', async () => {
  await attack('bytes', [21562]);
  const { page, close } = await lab.open(alerts('ns:bytes'));
  await rows(page, 1);
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.locator('.drawer h2').waitFor();
  await page.keyboard.press('2');
  const marks = (buffer: string) =>
    page.locator('figure.bytes', { has: page.locator(`figcaption code:text-is("${buffer}")`) }).locator('.data mark');
  await marks('http_client_body').first().waitFor();
  expect(await marks('http_method').allTextContents()).toEqual(['POST']);
  expect((await marks('http_header').allTextContents()).join('')).toBe('User-Agent: Mozilla/4.0␍␊');
  expect(await marks('http_client_body').allTextContents()).toEqual(['smk=']);
  expect(await marks('http_client_body').getAttribute('title')).toContain('content:"smk=",depth 4');
  await page.locator('figure.bytes').last().getByRole('button', { name: 'Hex' }).click();
  await page.locator('.hex').first().waitFor();
  const hex = page
    .locator('figure.bytes', { has: page.locator('figcaption code:text-is("http_client_body")') })
    .locator('.hex mark');
  expect((await hex.textContent())?.trim()).toBe('73 6d 6b 3d');

  // And the words say the same, option by option.
  await page.keyboard.press('1');
  await page.locator('.options .option').first().waitFor();
  const options = await page.locator('.options').textContent();
  for (const part of ['http_method', '@0', 'http_header', '@35', 'len 25', 'http_client_body', 'len 4'])
    expect(options).toContain(part);
  await close();
});

test('dismissing takes two keys, shows at once, and can be undone', async () => {
  await attack('dismiss', [3000002, 21562]);
  const { page, close } = await lab.open(alerts('ns:dismiss'));
  await rows(page, 2);
  await page.keyboard.press('j');
  await holds(async () => (await focus(page)).startsWith('row-'));
  const row = await focus(page);
  await page.keyboard.press('e');
  await page.getByRole('dialog').waitFor();
  const start = performance.now();
  await page.keyboard.press('1');
  await page.locator(`#${row}`).waitFor({ state: 'detached' });
  console.log(`dismissed on the page after ${Math.round(performance.now() - start)} ms`);
  await page.getByText('Dismissed 1 group').first().waitFor();
  // The next row has the focus.
  await holds(async () => (await focus(page)).startsWith('row-') && (await focus(page)) !== row);
  expect((await lab.groups('ns:dismiss', 'dismissed')).map((group) => `row-${group.id}`)).toEqual([row]);
  await page.keyboard.press('u');
  await page.locator(`#${row}`).waitFor();
  await until(async () => (await lab.groups('ns:dismiss', 'open')).length, 2);
  await close();
});

test('a dialog begins where one wants to go on', async () => {
  await attack('dialogs', [21562]);
  const { page, close } = await lab.open(alerts('ns:dialogs'));
  await rows(page, 1);
  await page.keyboard.press('Control+k');
  await page.getByPlaceholder('Type what you want to do').and(page.locator(':focus')).waitFor();
  await page.keyboard.type('go-nowhere');
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('j');
  await holds(async () => (await focus(page)).startsWith('row-'));
  await page.keyboard.press('e');
  await page.locator('input[name=reason]:checked:focus').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  await page.keyboard.press('i');
  await page.locator('#assignee:focus').waitFor();
  await close();
});

test('acknowledging, escalating, assigning and a comment are kept, with who did it', async () => {
  await attack('states', [21562]);
  const { page, close } = await lab.open(alerts('ns:states', '&status=all'));
  await rows(page, 1);
  await page.keyboard.press('j');
  await page.keyboard.press('a');
  await page.getByText('Acknowledged 1 group').first().waitFor();
  await page.keyboard.press('s');
  await page.getByText('Escalated 1 group').first().waitFor();
  await page.keyboard.press('i');
  await page.getByRole('dialog').waitFor();
  await page.locator('#assignee').fill('ana');
  await page.keyboard.press('Enter');
  await page.locator('.badge', { hasText: 'ana' }).waitFor();
  await page.keyboard.press('o');
  await page.locator('.drawer h2').waitFor();
  await page.keyboard.press('c');
  await page.locator('#comment').fill('checked with payments');
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await page.locator('.comment', { hasText: 'checked with payments' }).waitFor();
  const [group] = await lab.groups('ns:states', 'escalated');
  const detail = await lab.ask<{ assignee: string; comments_list: { by: string; text: string }[] }>(
    `groups/${group?.id}`,
  );
  expect(detail.assignee).toBe('ana');
  expect(detail.comments_list.map(({ by, text }) => [by, text])).toEqual([['admin', 'checked with payments']]);
  await until(async () => /escalat/i.test((await page.locator('.history').textContent()) ?? ''), true);
  await close();
});

test('a range is selected with keys, and all that match with two', async () => {
  await attack('select', [3000002, 21562, 3000021, 3000056]);
  const { page, close } = await lab.open(alerts('ns:select'));
  await rows(page, 4);
  for (const key of ['j', 'x', 'j', 'j', 'Shift+x']) await page.keyboard.press(key);
  await page.getByText('3 selected').waitFor();
  expect(await page.locator('[role=row][aria-selected=true]').count()).toBe(3);
  await page.keyboard.press('*');
  await page.keyboard.press('a');
  await page.getByText('4 selected', { exact: true }).waitFor();
  await page.keyboard.press('Escape');
  await until(() => page.locator('[role=row][aria-selected=true]').count(), 0);
  await close();
});

test('all that a query finds are dismissed at once, those that are not loaded, too, and come back', async () => {
  await crowd('bulk', 230);
  const { page, close } = await lab.open(alerts('ns:bulk'));
  await rows(page);
  await page.getByText('230 groups').waitFor();
  await page.keyboard.press('j');
  await page.keyboard.press('*');
  await page.keyboard.press('a');
  await page.getByText('230 selected', { exact: true }).waitFor();
  await page.keyboard.press('e');
  await page.getByRole('dialog', { name: 'Dismiss 230 groups' }).waitFor();
  await page.keyboard.press('2');
  await page.getByText('Dismissed 230 groups').first().waitFor();
  await page.locator(ROWS).first().waitFor({ state: 'detached' });
  expect(await lab.ask('counts?q=ns:bulk')).toMatchObject({ open: 0, dismissed: 230 });
  await page.keyboard.press('u');
  await rows(page);
  expect(await lab.ask('counts?q=ns:bulk')).toMatchObject({ open: 230, dismissed: 0 });
  await close();
});

test('a bulk change is refused when the number has moved since it was seen', async () => {
  await crowd('moved', 10);
  const { page, close } = await lab.open(alerts('ns:moved', '&live=0'));
  await rows(page, 10);
  await page.keyboard.press('j');
  await page.keyboard.press('*');
  await page.keyboard.press('a');
  await page.getByText('10 selected', { exact: true }).waitFor();
  await attack('moved', [21562, 3000002, 3000021, 3000070]);
  await page.keyboard.press('e');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('1');
  await page.getByText('It would now be 14 groups').waitFor();
  await rows(page, 14);
  expect(await lab.ask('counts?q=ns:moved')).toMatchObject({ open: 14, dismissed: 0 });
  await close(409);
});

test('a reload gives the same: query, range, state, order, drawer and tab', async () => {
  await attack('state', [21562, 3000002]);
  const { page, close } = await lab.open(alerts('ns:state', '&status=all&from=now-7d&sort=severity&live=0'));
  await rows(page, 2);
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.locator('.drawer h2').waitFor();
  await page.keyboard.press('3');
  await page.locator('.drawer dl').first().waitFor();
  const title = await page.locator('.drawer h2').textContent();
  const address = page.url();
  await page.reload();
  await page.locator('.drawer dl').first().waitFor();
  expect(page.url()).toBe(address);
  expect(await page.locator('.drawer h2').textContent()).toBe(title);
  expect(await page.getByRole('tab', { name: 'Session' }).getAttribute('aria-selected')).toBe('true');
  // Opened directly the alert is a page of its own, which leads back to the list.
  await page.getByRole('link', { name: 'Show in the list' }).click();
  await rows(page);

  await page.goto(alerts('ns:state', '&status=all&from=now-7d&sort=severity&live=0'));
  await rows(page, 2);
  await page.reload();
  await rows(page, 2);
  expect(await page.locator('#query').inputValue()).toBe('ns:state');
  expect(await page.locator('nav[aria-label="Status"] a[aria-current=page]').textContent()).toBe('All');
  expect(await page.getByRole('button', { name: 'Sort: severity' }).count()).toBe(1);
  expect(await page.getByRole('button', { name: 'Go on with live updates' }).count()).toBe(1);
  await close();
});

test('back and forward give the list and its place again; few rows are in the document', async () => {
  await crowd('place', 450);
  const { page, close } = await lab.open(alerts('ns:place'));
  await rows(page);
  const grid = page.locator('[role=grid]');
  const place = () => grid.evaluate((element) => element.scrollTop);
  // Page by page to the end.
  await until(async () => {
    await grid.evaluate((element) => (element.scrollTop = element.scrollHeight));
    return page.locator(ROWS).last().getAttribute('aria-rowindex');
  }, '451');
  expect(await page.locator(ROWS).count()).toBeLessThan(60);
  await grid.evaluate((element) => (element.scrollTop = 2000));
  await until(place, 2000);
  await page.locator('nav[aria-label="Status"] a', { hasText: 'Dismissed' }).click();
  await holds(() => param(page, 'status') === 'dismissed');
  await page.getByText('Nothing matches this search').waitFor();
  await page.goBack();
  await rows(page);
  await until(place, 2000);
  await close();
});

test('an alert of a node whose name has dots is a page of its own', async () => {
  await attack('dots', [21562], { node: 'worker-3.example.com' });
  const { items } = await lab.ask<{ items: { id: string }[] }>('events?q=ns:dots');
  const response = await fetch(`${lab.manager.url}/alerts/e/${items[0]?.id}`, { signal: AbortSignal.timeout(30_000) });
  expect(response.status).toBe(200);
});
