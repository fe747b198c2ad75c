import { expect, test } from 'vitest';
import { bars, scaleOf } from './spark';

test('charts of one page share the largest value', () => {
  expect(scaleOf([[1, 2], [9], []])).toBe(9);
  expect(scaleOf([])).toBe(1);
});

test('nothing has no bar, something at least one unit, the top all of it', () => {
  expect(bars([0, 1, 10_000], 10_000, 30, 20)).toBe('M10 20v-1h9v1zM20 20v-20h9v20z');
  expect(bars([], 1, 30, 20)).toBe('');
  expect(bars([Number.NaN, -1], 1, 30, 20)).toBe('');
});

test('values above the scale do not leave the box', () => {
  expect(bars([50], 10, 10, 20)).toBe('M0 20v-20h9v20z');
});
