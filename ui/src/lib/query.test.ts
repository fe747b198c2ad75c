import { expect, test } from 'vitest';
import type { Field } from './api/types';
import {
  chips,
  choices,
  choose,
  fromByteOffset,
  hasTerm,
  quoted,
  termFor,
  terms,
  toggledTerm,
  typedAt,
  withTerm,
  withoutTerm,
} from './query';

const fields: Field[] = [
  {
    name: 'severity',
    aliases: ['sev'],
    type: 'severity',
    values: ['info', 'low', 'medium', 'high', 'critical'],
    description: '',
  },
  { name: 'namespace', aliases: ['ns'], type: 'name', description: '' },
  { name: 'service', aliases: ['app'], type: 'keyword', values: ['http', 'dns'], description: '' },
];

test('terms are cut at spaces outside of quotes and parentheses', () => {
  expect(terms('a:"b c" (d OR e) -f:g').map((term) => term.text)).toEqual(['a:"b c"', '(d OR e)', '-f:g']);
  expect(terms('"a \\" b" c').map((term) => term.text)).toEqual(['"a \\" b"', 'c']);
  expect(terms('  ')).toEqual([]);
});

test('values are quoted when they must be', () => {
  expect(['shop', 'shop/frontend', '10.0.0.1', 'a b', 'x"y', 'or', '-x', ''].map(quoted)).toEqual([
    'shop',
    'shop/frontend',
    '10.0.0.1',
    '"a b"',
    '"x\\"y"',
    '"or"',
    '"-x"',
    '""',
  ]);
});

test('adding a term twice adds it once; alternatives stay together', () => {
  const term = termFor('namespace', 'shop');
  expect(withTerm('', term)).toBe('namespace:shop');
  expect(withTerm('severity>=high', term)).toBe('severity>=high namespace:shop');
  expect(withTerm(`x ${term}`, term)).toBe(`x ${term}`);
  expect(withTerm('a OR b', term)).toBe('(a OR b) namespace:shop');
  expect(termFor('namespace', 'shop', true)).toBe('-namespace:shop');
});

test('dropping a term leaves no operator in the air', () => {
  expect(withoutTerm('a AND b', 2)).toBe('a');
  expect(withoutTerm('a AND b', 0)).toBe('b');
  expect(withoutTerm('a NOT b c', 2)).toBe('a c');
  expect(withoutTerm('a b c', 1)).toBe('a c');
  expect(toggledTerm('a b', 'b')).toBe('a');
  expect(hasTerm(toggledTerm('a', 'b'), 'b')).toBe(true);
});

test('a query is shown as chips only if each can be dropped alone', () => {
  expect(chips('a AND b')?.map((chip) => chip.text)).toEqual(['a', 'b']);
  expect(chips('a OR b')).toBeNull();
});

test('the cursor is in a name or in a value', () => {
  expect(typedAt('sev', 3)).toEqual({ start: 0, end: 3, prefix: 'sev', field: null });
  expect(typedAt('a -ns:sh', 8)).toEqual({ start: 6, end: 8, prefix: 'sh', field: 'ns' });
  expect(typedAt('severity>=hi rest', 12)).toEqual({ start: 10, end: 12, prefix: 'hi', field: 'severity' });
  expect(typedAt('(ns', 3)).toEqual({ start: 1, end: 3, prefix: 'ns', field: null });
});

test('names are completed by name or alias, values by what is known', () => {
  const offered = (q: string, known: { value: string; count: number }[] = []) =>
    choices(typedAt(q, q.length), fields, known).map((choice) => choice.text);
  expect(offered('se')).toEqual(['severity:', 'service:']);
  expect(offered('ns')[0]).toBe('namespace:');
  expect(offered('severity>=h')).toEqual(['high']);
  expect(offered('is:e')).toEqual(['escalated', 'encrypted']);
  expect(offered('ns:sh', [{ value: 'shop', count: 12 }])).toEqual(['shop']);
});

test('choosing puts the cursor where one types on', () => {
  const q = 'x sev y';
  const typed = typedAt(q, 5);
  const name = choices(typed, fields)[0]!;
  expect(choose(q, typed, name)).toEqual({ q: 'x severity: y', cursor: 11 });
  const value = typedAt('severity:h', 10);
  expect(choose('severity:h', value, choices(value, fields)[0]!)).toEqual({ q: 'severity:high ', cursor: 14 });
});

test('offsets of the manager count bytes', () => {
  expect(fromByteOffset('é𝄞x', 2)).toBe(1);
  expect(fromByteOffset('é𝄞x', 6)).toBe(3);
  expect(fromByteOffset('abc', 99)).toBe(3);
});
