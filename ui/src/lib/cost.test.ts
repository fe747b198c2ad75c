import { expect, test } from 'vitest';
import { costDetail, costShare, costWords, micros } from './cost';

const cost = { share: 0.4, average_us: 3, evaluations: 81_200, matches: 1, nodes: 2 };

test('a cost is a share, and what makes it up', () => {
  expect(costShare(cost)).toBe('40 %');
  expect(costDetail(cost)).toBe('3.0 µs × 81.2 k');
  expect(costWords(cost)).toBe('40 % of the time that rules take: 3.0 µs a look, 81,200 looks, 1 match, on 2 nodes');
});

test('what nobody has measured is not nothing', () => {
  expect(costWords(null)).toBe('cost not measured');
  expect(costShare({ ...cost, share: 0.000_001 })).toBe('< 0.01 %');
});

test('short times keep their digits', () => {
  expect([0.314, 4.25, 123.4, 1200, 250_000].map(micros)).toEqual(['0.31 µs', '4.3 µs', '123 µs', '1.2 ms', '250 ms']);
});
