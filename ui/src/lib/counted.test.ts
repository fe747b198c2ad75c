import { expect, test } from 'vitest';
import type { Group } from './api/types';
import { countWords, shownCount, withRange } from './counted';

const HOUR = 3_600_000;
const NOW = 1_700_000_000_000;
const span = { from: NOW - 24 * HOUR, to: NOW };
const at = (hours: number) => new Date(NOW - hours * HOUR).toISOString();
const group = (more: Partial<Group> = {}) =>
  ({ id: 'g', count: 1234, in_range: 37, suppressed: 0, first_seen: at(900), last_seen: at(1), ...more }) as Group;

test('a row shows the count in the range, and says both', () => {
  expect(shownCount(group())).toBe(37);
  expect(countWords(group())).toBe('37 in this range, 1,234 in all');
});

test('nothing in the range is nothing, and not the count of all time', () => {
  expect(shownCount(group({ in_range: 0 }))).toBe(0);
  expect(countWords(group({ in_range: 0 }))).toBe('0 in this range, 1,234 in all');
});

test('where the range was not counted the row shows all, and says so', () => {
  expect(shownCount(group({ in_range: null }))).toBe(1234);
  expect(countWords(group({ in_range: null }))).toBe('1,234 alerts in all; those in this range were not counted');
});

test('what a group grew by is in a range that ends now, and not in one that has ended', () => {
  const fresh = group({ in_range: null, count: 1240 });
  expect(withRange(fresh, group(), span, true).in_range).toBe(43);
  expect(withRange(fresh, group(), span, false).in_range).toBe(37);
  // Retention took more than came.
  expect(withRange(group({ in_range: null, count: 12 }), group(), span, true).in_range).toBe(0);
});

test('a count that came with the row is not touched, and one that nobody knows stays unknown', () => {
  expect(withRange(group({ in_range: 5 }), group(), span, true).in_range).toBe(5);
  expect(withRange(group({ in_range: null }), null, span, true).in_range).toBeNull();
  expect(withRange(group({ in_range: null }), group({ in_range: null }), span, true).in_range).toBeNull();
});

test('a group that lies in the range as a whole has all of its alerts there, unless some are hidden', () => {
  const born = { in_range: null, first_seen: at(2), last_seen: at(1), count: 4 };
  expect(withRange(group(born), null, span, true).in_range).toBe(4);
  expect(withRange(group(born), null, { from: span.from, to: NOW - 1.5 * HOUR }, false).in_range).toBeNull();
  expect(withRange(group({ ...born, suppressed: 1 }), null, span, true).in_range).toBeNull();
});
