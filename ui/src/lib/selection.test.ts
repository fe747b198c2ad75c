import { expect, test } from 'vitest';
import { ALL, NONE, extend, has, isEmpty, size, toggle, without } from './selection';

const rows = ['a', 'b', 'c', 'd', 'e'];

test('toggling selects, and a second time does not', () => {
  const one = toggle(NONE, 'b');
  expect([has(one, 'b'), has(one, 'a'), isEmpty(one)]).toEqual([true, false, false]);
  expect(isEmpty(toggle(one, 'b'))).toBe(true);
});

test('a range goes from the anchor, up or down, and keeps what was selected', () => {
  const down = extend(toggle(NONE, 'b'), 'd', rows);
  expect([...down.ids]).toEqual(['b', 'c', 'd']);
  const up = extend(toggle(down, 'e'), 'a', rows);
  expect(rows.every((row) => has(up, row))).toBe(true);
  expect([...extend(NONE, 'c', rows).ids]).toEqual(['c']);
});

test('a range whose anchor is gone is the row alone; a row that is gone changes nothing', () => {
  expect([...extend({ ...NONE, anchor: 'z' }, 'c', rows).ids]).toEqual(['c']);
  expect(extend(NONE, 'z', rows)).toBe(NONE);
});

test('all that match, less some', () => {
  const most = toggle(ALL, 'c');
  expect([has(most, 'a'), has(most, 'c'), has(most, 'never loaded')]).toEqual([true, false, true]);
  expect(size(most, 4018)).toBe(4017);
  expect(has(extend(most, 'c', rows), 'c')).toBe(true);
});

test('rows that went away are no longer selected', () => {
  expect(size(without(extend(toggle(NONE, 'a'), 'c', rows), ['b', 'x']), 5)).toBe(2);
  expect(without(ALL, ['a'])).toBe(ALL);
});
