import { expect, test } from 'vitest';
import {
  absolute,
  ago,
  duration,
  rangeLabel,
  resolve,
  shift,
  spanOf,
  spokenAgo,
  tick,
  written,
  zoomIn,
  zoomOut,
} from './time';

const now = Date.parse('2026-11-24T12:00:00Z');
const hour = 3_600_000;

test('relative and absolute times become milliseconds', () => {
  expect(resolve('now', now)).toBe(now);
  expect(resolve('now-24h', now)).toBe(now - 24 * hour);
  expect(resolve('2026-11-24T11:00:00Z', now)).toBe(now - hour);
  expect(resolve('tomorrow', now)).toBeNull();
});

test('labels of a time axis are times, and days where one begins', () => {
  const noon = Date.parse('2026-11-24T12:00:00Z');
  expect(tick(noon, 6 * hour, 'utc')).toBe('12:00');
  expect(tick(noon + 12 * hour, 6 * hour, 'utc')).toBe('11-25');
  expect(tick(noon, 48 * hour, 'utc')).toBe('11-24');
  expect(tick(noon + 1000, 1000, 'utc')).toBe('12:00:01');
});

test('a range that ends before it begins is still a range', () => {
  const span = spanOf('now', 'now-1h', now);
  expect(span.to).toBe(now - hour);
  expect(span.from).toBeLessThan(span.to);
});

test('zooming and panning stay before now and within bounds', () => {
  const day = { from: now - 24 * hour, to: now };
  expect(zoomOut(day, now)).toEqual({ from: now - 48 * hour, to: now });
  expect(zoomIn(day, now)).toEqual({ from: now - 18 * hour, to: now - 6 * hour });
  expect(shift(day, -1, now)).toEqual({ from: now - 36 * hour, to: now - 12 * hour });
  expect(shift(day, 1, now)).toEqual(day);
  let small = day;
  for (let step = 0; step < 40; step += 1) small = zoomIn(small, now);
  expect(small.to - small.from).toBe(60_000);
  let large = day;
  for (let step = 0; step < 40; step += 1) large = zoomOut(large, now);
  expect(large.to - large.from).toBe(366 * 24 * hour);
});

test('an end that is now is written as now', () => {
  expect(written({ from: now - hour, to: now - 5000 }, now)).toEqual({ from: '2026-11-24T11:00:00Z', to: 'now' });
  expect(written({ from: now - 2 * hour, to: now - hour }, now).to).toBe('2026-11-24T11:00:00Z');
});

test('ranges have names', () => {
  expect(rangeLabel('now-24h', 'now', 'utc')).toBe('Last 24 hours');
  expect(rangeLabel('now-3d', 'now', 'utc')).toBe('Last 3 days');
  expect(rangeLabel('2026-11-24T11:00:00Z', '2026-11-24T12:00:00Z', 'utc')).toBe(
    '2026-11-24 11:00 UTC – 2026-11-24 12:00 UTC',
  );
});

test('ages are short, and longer for screen readers', () => {
  const at = (seconds: number) => new Date(now - seconds * 1000).toISOString();
  expect([0, 14, 120, 3600, 3 * 86_400, 900 * 86_400].map((s) => ago(at(s), now))).toEqual([
    'now',
    '14 s',
    '2 m',
    '1 h',
    '3 d',
    '2 y',
  ]);
  expect(ago(at(-50), now)).toBe('now');
  expect(ago('?', now)).toBe('–');
  expect(spokenAgo(at(60), now)).toBe('1 minute ago');
  expect(spokenAgo(at(7200), now)).toBe('2 hours ago');
});

test('absolute times are given in UTC when asked', () => {
  expect(absolute('2026-11-24T03:12:07.412999Z', 'utc', 'milli')).toBe('2026-11-24 03:12:07.412 UTC');
  expect(absolute('never', 'utc')).toBe('never');
});

test('durations use two units at most', () => {
  expect([12, 3200, 845_000, 90_061_000].map(duration)).toEqual(['12 ms', '3.2 s', '14 m 5 s', '1 d 1 h']);
});
