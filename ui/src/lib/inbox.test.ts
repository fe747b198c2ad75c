import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Group, GroupPage } from './api/types';
import { Inbox, MAX_LOADED, PAGE, drillTerm } from './inbox.svelte';
import { DEFAULTS } from './route';
import { ALL, toggle } from './selection';

const at = (index: number) => new Date(1_700_000_000_000 - index * 1000).toISOString();
const group = (index: number, more: Partial<Group> = {}) =>
  ({
    id: `g${index}`,
    sid: index,
    severity: 70,
    shapes: 1,
    count: 5,
    comments: 0,
    status: 'open',
    last_seen: at(index),
    version: 1,
    client: { display: '203.0.113.7', namespace: null },
    server: { display: 'shop/cart', namespace: 'shop' },
    ...more,
  }) as Group;

let size = 5000;
let actions: Record<string, unknown>[] = [];
let refuse = false;
let change = 1;

beforeEach(() => {
  change = 1;
  size = 5000;
  actions = [];
  refuse = false;
  vi.stubGlobal(
    'fetch',
    vi.fn(async (address: string, init: RequestInit) => {
      const url = new URL(address, 'http://x');
      const json = (body: unknown, status = 200) =>
        new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });
      if (url.pathname.endsWith('/counts')) return json({ open: size, escalated: 0, acknowledged: 0, dismissed: 0 });
      if (url.pathname.endsWith('/actions')) {
        actions.push(JSON.parse(String(init.body)) as Record<string, unknown>);
        return refuse
          ? json({ title: 'No', status: 403 }, 403)
          : json({ changed: 1, groups: [], undo: 't', undo_until: at(0) });
      }
      if (url.pathname.includes('/undo/')) return json({ changed: 1, groups: [group(1, { version: 3 })] });
      const start = Number(url.searchParams.get('cursor') ?? 0);
      const end = Math.min(size, start + PAGE);
      const page: GroupPage = {
        items: Array.from({ length: end - start }, (_, index) => group(start + index)),
        next: end < size ? String(end) : null,
        total: { count: size, exact: true },
        as_of: at(0),
        change,
        partial: false,
      };
      const etag = `W/"${change}"`;
      if (new Headers(init.headers).get('if-none-match') === etag) return new Response(null, { status: 304 });
      return new Response(JSON.stringify(page), { headers: { 'content-type': 'application/json', etag } });
    }),
  );
});
afterEach(() => vi.unstubAllGlobals());

const settle = () => new Promise((done) => setTimeout(done, 5));
async function filled(): Promise<Inbox> {
  const inbox = new Inbox();
  inbox.show({ ...DEFAULTS });
  await settle();
  return inbox;
}

test('pages are asked for as they come into view, and far ones are let go and asked for again', async () => {
  const inbox = await filled();
  expect(inbox.length).toBe(PAGE);
  for (let page = 1; page < 30; page += 1) {
    inbox.ensure(page * PAGE - 30, page * PAGE - 1);
    await settle();
  }
  expect(inbox.length).toBe(30 * PAGE);
  const held = () => inbox.slots.filter((slot) => slot.rows !== null).length;
  expect(held()).toBeLessThanOrEqual(MAX_LOADED + 1);
  expect(inbox.at(0)).toBeNull();
  inbox.ensure(0, 20);
  await settle();
  expect(inbox.at(0)?.id).toBe('g0');
  expect(inbox.at(29 * PAGE)?.id ?? null).toBeNull();
});

test('the end of the list is known, and nothing is asked for beyond it', async () => {
  size = 130;
  const inbox = await filled();
  inbox.ensure(60, 99);
  await settle();
  expect([inbox.length, inbox.done]).toEqual([130, true]);
  const before = vi.mocked(fetch).mock.calls.length;
  inbox.ensure(100, 129);
  await settle();
  expect(vi.mocked(fetch).mock.calls.length).toBe(before);
});

test('what the stream brings changes rows where they are; new ones wait', async () => {
  const inbox = await filled();
  inbox.arrive(
    [group(7, { count: 6, version: 2, last_seen: at(-10) }), group(9999, { count: 1, last_seen: at(-11) })],
    [],
    false,
  );
  expect(inbox.indexOf('g7')).toBe(7);
  expect((inbox.at(7) as Group).count).toBe(6);
  expect([...inbox.pending.keys()].sort()).toEqual(['g7', 'g9999']);
  inbox.takePending();
  expect([inbox.at(0)?.id, inbox.at(1)?.id, inbox.at(2)?.id]).toEqual(['g9999', 'g7', 'g0']);
  expect(inbox.total.count).toBe(size + 1);
  expect(inbox.length).toBe(PAGE + 1);
});

test('a list knows from where a stream goes on, and is loaded again only when something has changed', async () => {
  const inbox = await filled();
  expect(inbox.change).toBe('1');
  const lists = () => vi.mocked(fetch).mock.calls.filter(([address]) => String(address).includes('/groups?')).length;
  const before = lists();
  const rows = inbox.slots;
  await inbox.look();
  expect([lists() - before, inbox.slots === rows]).toEqual([1, true]);
  change = 2;
  await inbox.look();
  expect([inbox.slots === rows, inbox.change]).toEqual([false, '2']);
  // What the stream has changed is no longer what the manager gave under that name.
  inbox.arrive([group(7, { count: 6, version: 2 })], [], true);
  const changed = inbox.slots;
  await inbox.look();
  expect(inbox.slots === changed).toBe(false);
  // With the back button a list comes back with its own place.
  inbox.change = '9';
  inbox.show({ ...DEFAULTS, status: 'dismissed' });
  await inbox.answered;
  expect(inbox.change).toBe('2');
  inbox.show({ ...DEFAULTS });
  expect(inbox.change).toBe('9');
});

test('a row older than the one shown changes nothing', async () => {
  const inbox = await filled();
  inbox.arrive([group(7, { count: 6, version: 2 })], [], false);
  inbox.arrive([group(7, { count: 5, version: 1 })], [], false);
  expect((inbox.at(7) as Group).count).toBe(6);
});

test('what the question finds no more goes when nobody reads the list', async () => {
  const inbox = await filled();
  inbox.arrive([], ['g3', 'unknown'], false);
  expect([inbox.indexOf('g3'), inbox.leaving.has('g3'), inbox.leaving.size]).toEqual([3, true, 1]);
  inbox.settle();
  expect([inbox.indexOf('g3'), inbox.leaving.size, inbox.total.count]).toEqual([-1, 0, size - 1]);
});

test('a row that comes again before it went stays', async () => {
  const inbox = await filled();
  inbox.arrive([], ['g3'], false);
  inbox.arrive([group(3, { version: 2 })], [], true);
  expect([inbox.indexOf('g3'), inbox.leaving.size]).toEqual([3, 0]);
});

test('what changed before the stream began is caught up with', async () => {
  const inbox = await filled();
  // While nobody was told, row 0 went and a new one came.
  const first = inbox.slots[0];
  inbox.slots = [{ cursor: null, rows: [group(-2), ...(first?.rows ?? []).slice(1)], length: PAGE }];
  await inbox.catchUp(() => true);
  expect([inbox.at(0)?.id, inbox.at(1)?.id, inbox.length]).toEqual(['g0', 'g1', PAGE]);
});

test('undoing leaves alone what came meanwhile, and the count is right again', async () => {
  const inbox = await filled();
  inbox.focus = 'g1';
  await inbox.act('dismiss', { reason: 'expected' });
  inbox.arrive([group(9999, { count: 1, last_seen: at(-11) })], [], true);
  await inbox.undo();
  expect([0, 1, 2, 3].map((index) => inbox.at(index)?.id)).toEqual(['g9999', 'g0', 'g1', 'g2']);
  expect(inbox.total.count).toBe(size + 1);
});

test('dismissing takes the row away at once, moves the focus on, and undo brings it back', async () => {
  const inbox = await filled();
  inbox.focus = 'g1';
  const acting = inbox.act('dismiss', { reason: 'expected' });
  expect(inbox.indexOf('g1')).toBe(-1);
  expect(inbox.focus).toBe('g2');
  expect(inbox.counts).toMatchObject({ open: size - 1, dismissed: 1 });
  await acting;
  expect(actions).toEqual([{ ids: ['g1'], action: 'dismiss', reason: 'expected' }]);
  await inbox.undo();
  expect(inbox.indexOf('g1')).toBe(1);
  expect((inbox.at(1) as Group).version).toBe(3);
});

test('what the manager refuses is taken back', async () => {
  refuse = true;
  const inbox = await filled();
  inbox.selection = toggle(inbox.selection, 'g3');
  expect(await inbox.act('acknowledge')).toBe(false);
  expect(inbox.indexOf('g3')).toBe(3);
  expect(inbox.selection.ids.has('g3')).toBe(true);
});

test('all that match go by query, without those taken out, and with the count that was seen', async () => {
  const inbox = await filled();
  inbox.selection = toggle(ALL, 'g4');
  await inbox.act('acknowledge');
  expect(actions[0]).toMatchObject({
    query: '-group:g4',
    status: 'open',
    action: 'acknowledge',
    expected_count: size - 1,
  });
  expect(actions[0]).not.toHaveProperty('ids');
});

test('a row of a coarser grouping stands for a term', () => {
  expect(drillTerm(group(21562), 'sig')).toBe('sid:21562');
  expect(drillTerm(group(1), 'workload')).toBe('workload:shop/cart');
  expect(drillTerm(group(1), 'source')).toBe('client_ip:203.0.113.7');
});

test('the same list is not loaded again, another one is, and the first comes back as it was', async () => {
  const inbox = await filled();
  inbox.ensure(60, 99);
  await settle();
  const before = vi.mocked(fetch).mock.calls.length;
  inbox.show({ ...DEFAULTS, sel: 'g5', tab: 'raw' });
  expect(vi.mocked(fetch).mock.calls.length).toBe(before);
  inbox.show({ ...DEFAULTS, status: 'dismissed' });
  await settle();
  inbox.show({ ...DEFAULTS });
  expect(inbox.length).toBe(2 * PAGE);
});

test('rows of the stream have no count in the range: what they grew by is added to what was counted', async () => {
  const inbox = await filled();
  const counted = group(7, { count: 90, in_range: 20, version: 2, first_seen: at(9e6) });
  inbox.arrive([counted], [], false);
  inbox.arrive(
    [group(7, { count: 92, version: 3, in_range: null, first_seen: at(9e6), last_seen: at(-10) })],
    [],
    false,
  );
  expect((inbox.at(7) as Group).in_range).toBe(22);
  // It waits for its place at the top, and has the number there, too.
  expect(inbox.pending.has('g7')).toBe(true);
  inbox.takePending();
  expect([inbox.at(0)?.id, (inbox.at(0) as Group).in_range]).toEqual(['g7', 22]);
});

test('what else is asked of a list waits for its rows, from the moment at which another is wanted', async () => {
  const inbox = new Inbox();
  expect(inbox.waits(DEFAULTS)).toBe(true);
  inbox.show(DEFAULTS);
  expect(inbox.waits(DEFAULTS)).toBe(true);
  await inbox.answered;
  expect(inbox.waits(DEFAULTS)).toBe(false);
  const other = { ...DEFAULTS, q: 'sid:7' };
  expect(inbox.waits(other)).toBe(true);
  expect(inbox.waits({ ...DEFAULTS, sel: 'g1' })).toBe(false);
  inbox.show(other);
  await inbox.answered;
  expect([inbox.waits(other), inbox.waits(DEFAULTS)]).toEqual([false, true]);
});
