import { expect, test } from 'vitest';
import { asContent, fromBase64, hexRows, marksOf, textRows, viewsOf } from './bytes';

const ascii = (text: string) => new TextEncoder().encode(text);
const match = (option: number, offset: number, length: number, buffer = 'b') => ({
  option,
  offset,
  length,
  buffer,
  text: `o${option}`,
});

test('base64 that is none gives no bytes', () => {
  expect([...fromBase64('c21rPQ==')]).toEqual([...ascii('smk=')]);
  expect(fromBase64('%%%').length).toBe(0);
});

test('matches are placed within the part of the buffer that was kept', () => {
  const marks = marksOf(
    [match(1, 100, 4), match(2, 98, 4), match(3, 200, 4), match(4, 107, 9), match(5, 101, 0), match(6, 100, 1, 'x')],
    'b',
    100,
    10,
  );
  expect(marks.map(({ start, end, option }) => [option, start, end])).toEqual([
    [2, 0, 2],
    [1, 0, 4],
    [4, 7, 10],
  ]);
});

test('text rows break after line feeds, escape what is not printable and mark what matched', () => {
  const rows = textRows(ascii('GET /\r\nA: b\xff'), [{ start: 0, end: 3, option: 1, text: '' }]);
  expect(rows.map((row) => row.runs.map((run) => run.text).join(''))).toEqual(['GET /␍␊', 'A: b\\xc3\\xbf']);
  expect(rows[0]?.runs[0]).toEqual({ text: 'GET', options: [1], escaped: false });
  expect(rows[0]?.runs.at(-1)).toEqual({ text: '␍␊', options: [], escaped: true });
});

test('overlapping matches are cut where they begin and end', () => {
  const marks = [
    { start: 0, end: 4, option: 1, text: '' },
    { start: 2, end: 6, option: 2, text: '' },
  ];
  expect(textRows(ascii('abcdefgh'), marks)[0]?.runs).toEqual([
    { text: 'ab', options: [1], escaped: false },
    { text: 'cd', options: [1, 2], escaped: false },
    { text: 'ef', options: [2], escaped: false },
    { text: 'gh', options: [], escaped: false },
  ]);
});

test('a match that goes on in the next row is marked in both', () => {
  const rows = textRows(ascii('abcdef'), [{ start: 2, end: 5, option: 1, text: '' }], 4);
  expect(rows.map((row) => row.runs.filter((run) => run.options.length).map((run) => run.text))).toEqual([
    ['cd'],
    ['e'],
  ]);
});

test('every byte is shown exactly once in hexadecimal', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const rows = hexRows(bytes, [{ start: 14, end: 18, option: 3, text: '' }]);
  expect(rows.length).toBe(16);
  const shown = rows.flatMap((row) =>
    row.hex
      .map((run) => run.text)
      .join('')
      .trim()
      .split(/\s+/),
  );
  expect(shown.map((pair) => Number.parseInt(pair, 16))).toEqual([...bytes]);
  expect(rows[1]?.hex[0]).toEqual({ text: '10 11 ', options: [3], escaped: false });
  expect(rows[0]?.ascii.map((run) => run.text).join('')).toBe('·'.repeat(16));
});

test('text shows nothing but printable ASCII as itself', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const plain = textRows(bytes, [])
    .flatMap((row) => row.runs)
    .filter((run) => !run.escaped)
    .map((run) => run.text)
    .join('');
  expect(plain).toMatch(/^[ -~]*$/);
  expect(plain.length).toBe(95);
});

test('views are the matched buffers and then the payload', () => {
  const views = viewsOf({
    buffers: [{ name: 'http_uri', offset: 0, b64: btoa('/a?b'), length: 4 }],
    matches: [match(2, 1, 1, 'http_uri')],
    payload_b64: btoa('GET /a?b'),
    payload_length: 80,
  });
  expect(views.map((view) => [view.name, view.bytes.length, view.length, view.marks.length])).toEqual([
    ['http_uri', 4, 4, 1],
    ['payload', 8, 80, 0],
  ]);
  expect(viewsOf(undefined)).toEqual([]);
});

test('bytes are copied as rule content', () => {
  expect(asContent(ascii('smk=\r\n;x'))).toBe('smk=|0d 0a 3b|x');
  expect(asContent(new Uint8Array([0]))).toBe('|00|');
  expect(asContent(new Uint8Array())).toBe('');
});

test('no row is wider than asked, and none is empty', () => {
  const bytes = Uint8Array.from({ length: 600 }, (_, index) => (index * 7) % 256);
  for (const width of [1, 4, 20, 88]) {
    const rows = textRows(bytes, [], width);
    for (const row of rows)
      expect(row.runs.map((run) => run.text).join('').length).toBeLessThanOrEqual(Math.max(width, 4));
    expect(rows.every((row, index) => row.offset > (rows[index - 1]?.offset ?? -1))).toBe(true);
  }
});
