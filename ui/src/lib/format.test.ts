import { expect, test } from 'vitest';
import { bytes, count, percent, plural, short, total, inState } from './format';

test('counts are grouped, totals say when they are not exact', () => {
  expect(count(4018)).toBe('4,018');
  expect(count(1234567)).toBe('1,234,567');
  expect(total({ count: 10000, exact: false })).toBe('10,000+');
  expect(plural(1, 'shape')).toBe('1 shape');
  expect(plural(7, 'shape')).toBe('7 shapes');
});

test('short numbers never round up to what they are not', () => {
  expect([999, 1000, 1299, 999_999, 12_345_678].map(short)).toEqual(['999', '1 k', '1.2 k', '999 k', '12.3 M']);
  expect([812, 2048, 268_435_456].map(bytes)).toEqual(['812 B', '2.0 KiB', '256 MiB']);
});

test('a part that is not all is never 100 %, one that is not nothing never 0 %', () => {
  expect(percent(99_999, 100_000)).toBe('> 99.99 %');
  expect(percent(1, 1_000_000)).toBe('< 0.01 %');
  expect(percent(1, 3)).toBe('33.3 %');
  expect(percent(5, 5)).toBe('100 %');
  expect(percent(0, 0)).toBe('–');
});

test('groups of all states are counted without what else the answer has', () => {
  const counts = {
    open: 10000,
    escalated: 3,
    acknowledged: 2,
    dismissed: 1,
    exact: false,
    at_least: ['open' as const],
  };
  expect(inState(counts, 'all')).toEqual({ count: 10006, exact: false });
  expect(inState(counts, 'escalated')).toEqual({ count: 3, exact: true });
  expect(total(inState(counts, 'open'))).toBe('10,000+');
  expect(inState({ open: 0, escalated: 0, acknowledged: 0, dismissed: 0 }, 'all')).toEqual({ count: 0, exact: true });
});
