import { afterEach, expect, test } from 'vitest';
import { takeWord, wordOf } from './link';

const word = '0123456789abcdef'.repeat(4);

afterEach(() => history.replaceState(null, '', '/'));

test('only a whole word is one', () => {
  expect(wordOf(`#sign-in=${word}`)).toBe(word);
  for (const odd of [
    '',
    '#',
    '#sign-in=',
    `#sign-in=${word}0`,
    `#sign-in=${word.slice(1)}`,
    `#x&sign-in=${word}`,
    '#why',
  ]) {
    expect(wordOf(odd)).toBeNull();
  }
});

test('the word leaves the address, the rest of it stays', () => {
  history.replaceState({ key: 'k' }, '', `/alerts?from=2026-01-01T00:00:00Z#sign-in=${word}`);
  expect(takeWord()).toBe(word);
  expect(location.pathname + location.search + location.hash).toBe('/alerts?from=2026-01-01T00:00:00Z');
  expect(history.state).toEqual({ key: 'k' });
  expect(takeWord()).toBeNull();
});

test('other fragments are left alone', () => {
  history.replaceState(null, '', '/alerts#why');
  expect(takeWord()).toBeNull();
  expect(location.hash).toBe('#why');
});
