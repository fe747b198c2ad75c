import { expect, test } from 'vitest';
import { broken, markRule } from './ruletext';

const rule = 'alert http any any -> any any ( msg:"a; b"; http_uri; content:"x"; content:"x"; sid:1; )';
const option = (index: number, text: string, outcome = 'matched') => ({ index, text, outcome });

test('options are marked in their order, equal ones each once', () => {
  const parts = markRule(rule, [
    option(0, 'http_uri', 'not_recorded'),
    option(1, 'content:"x"'),
    option(2, 'content:"x"'),
    option(3, 'pcre:"/y/"'),
  ]);
  expect(parts.map((part) => part.text).join('')).toBe(rule);
  expect(parts.filter((part) => part.option !== null).map((part) => part.option)).toEqual([1, 2]);
});

test('a rule is broken into lines at its semicolons, not at quoted ones', () => {
  expect(broken(rule).split('\n')).toEqual([
    'alert http any any -> any any (',
    '    msg:"a; b";',
    '    http_uri;',
    '    content:"x";',
    '    content:"x";',
    '    sid:1;',
    ')',
  ]);
  expect(broken('a\nb')).toBe('a\nb');
  expect(broken('( content:"\\";"; )')).toBe('(\n    content:"\\";";\n)');
});
