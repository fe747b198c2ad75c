import { expect, test } from 'vitest';
import { pieces, readable, safeLink } from './hostile';

test('markup stays text', () => {
  expect(pieces('<img src=x onerror=alert(1)>')).toEqual([{ text: '<img src=x onerror=alert(1)>', escaped: false }]);
});

test('characters that change how others are shown are named', () => {
  expect(readable('invoice\u202Egpj.exe')).toBe('invoice⟨U+202E⟩gpj.exe');
  expect(readable('a\u200Bb\uFEFFc\u2066d\u0000e\u001Bf\u00ADg')).toBe(
    'a⟨U+200B⟩b⟨U+FEFF⟩c⟨U+2066⟩d⟨U+0000⟩e⟨U+001B⟩f⟨U+00AD⟩g',
  );
  expect(readable('tag\u{E0041}')).toBe('tag⟨U+E0041⟩');
  expect(readable('half \uD800 pair')).toBe('half ⟨U+D800⟩ pair');
});

test('lines may stay where lines are wanted, and carriage returns never', () => {
  expect(readable('a\n\tb\r')).toBe('a⟨U+000A⟩⟨U+0009⟩b⟨U+000D⟩');
  expect(readable('a\n\tb\r', true)).toBe('a\n\tb⟨U+000D⟩');
});

test('letters of all scripts stay, towers of marks do not', () => {
  expect(readable('Ünïcödé 日本語 עברית 👍')).toBe('Ünïcödé 日本語 עברית 👍');
  expect(readable(`e${'\u0301'.repeat(50)}x`)).toBe('e\u0301\u0301x');
});

test('pieces keep the order and mark what is not literal', () => {
  expect(pieces('a\u202Eb')).toEqual([
    { text: 'a', escaped: false },
    { text: '⟨U+202E⟩', escaped: true },
    { text: 'b', escaped: false },
  ]);
});

test('links go to http and https only', () => {
  expect(safeLink('https://example.test/a')).toBe('https://example.test/a');
  for (const bad of [
    'javascript:alert(1)',
    ' JaVaScRiPt:alert(1)',
    'data:text/html,x',
    '//evil',
    'file:///etc/passwd',
  ]) {
    expect(safeLink(bad)).toBeNull();
  }
});

test('long hostile text takes linear time', () => {
  const long = '\u202Ea\u0301\u0301\u0301'.repeat(50_000);
  const start = performance.now();
  expect(pieces(long).length).toBe(100_000);
  expect(performance.now() - start).toBeLessThan(2000);
});
