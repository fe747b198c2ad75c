import { expect, test } from 'vitest';
import { Dispatcher, MAP, nameOf, type KeyLike } from './keys';

const key = (name: string, more: Partial<KeyLike> = {}): KeyLike => ({
  key: name,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  shiftKey: false,
  target: null,
  ...more,
});

test('keys have names that do not depend on the keyboard', () => {
  expect(nameOf(key('j'))).toBe('j');
  expect(nameOf(key('J', { shiftKey: true }))).toBe('Shift+j');
  expect(nameOf(key('J'))).toBe('j'); // Caps Lock
  expect(nameOf(key('?', { shiftKey: true }))).toBe('?');
  expect(nameOf(key('k', { metaKey: true }))).toBe('Mod+k');
  expect(nameOf(key('[', { ctrlKey: true, altKey: true }))).toBe('['); // AltGr
  expect(nameOf(key('Shift', { shiftKey: true }))).toBeNull();
  expect(nameOf(key('f', { altKey: true }))).toBeNull();
});

test('no two commands share a key, and no key hides the beginning of a pair', () => {
  const keys = MAP.map((binding) => binding.keys);
  expect(new Set(keys).size).toBe(keys.length);
  for (const pair of keys.filter((k) => k.includes(' '))) expect(keys).not.toContain(pair.split(' ')[0]);
});

test('every key of the map gives its command', () => {
  for (const binding of MAP) {
    const dispatcher = new Dispatcher(MAP);
    let last: string | null = null;
    for (const part of binding.keys.split(' ')) {
      const mod = part.startsWith('Mod+');
      const shiftKey = part.startsWith('Shift+');
      last = dispatcher.press(key(part.replace(/^(Mod|Shift)\+/, ''), { ctrlKey: mod, shiftKey }), 0);
    }
    expect(last, binding.keys).toBe(binding.command);
  }
});

test('the second key of a pair must follow soon', () => {
  const dispatcher = new Dispatcher(MAP);
  expect(dispatcher.press(key('g'), 0)).toBeNull();
  expect(dispatcher.press(key('a'), 500)).toBe('go-alerts');
  expect(dispatcher.press(key('g'), 1000)).toBeNull();
  expect(dispatcher.press(key('a'), 2500)).toBe('acknowledge');
});

test('a second key that makes no pair is itself', () => {
  const dispatcher = new Dispatcher(MAP);
  dispatcher.press(key('g'), 0);
  expect(dispatcher.press(key('j'), 10)).toBe('down');
});

test('letters do nothing while somebody types, keys with Ctrl do', () => {
  const dispatcher = new Dispatcher(MAP);
  const input = document.createElement('input');
  const box = Object.assign(document.createElement('input'), { type: 'checkbox' });
  expect(dispatcher.press(key('e', { target: input }), 0)).toBeNull();
  expect(dispatcher.press(key('e', { target: document.createElement('textarea') }), 0)).toBeNull();
  expect(dispatcher.press(key('k', { ctrlKey: true, target: input }), 0)).toBe('palette');
  expect(dispatcher.press(key('x', { target: box }), 0)).toBe('select');
});

test('letters do nothing while a dialog is open', () => {
  const dispatcher = new Dispatcher(MAP);
  expect(dispatcher.press(key('e'), 0, true)).toBeNull();
  expect(dispatcher.press(key('k', { ctrlKey: true }), 0, true)).toBe('palette');
});

test('single characters can be turned off; others stay', () => {
  const dispatcher = new Dispatcher(MAP);
  dispatcher.characters = false;
  expect(dispatcher.press(key('e'), 0)).toBeNull();
  expect(dispatcher.press(key('g'), 0)).toBeNull();
  expect(dispatcher.press(key('a'), 10)).toBeNull();
  expect(dispatcher.press(key('Escape'), 0)).toBe('close');
});

test('keys can be given to other commands', () => {
  const dispatcher = new Dispatcher(MAP, { dismiss: 'd' });
  expect(dispatcher.press(key('d'), 0)).toBe('dismiss');
  expect(dispatcher.press(key('e'), 0)).toBeNull();
});
