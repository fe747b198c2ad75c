import { beforeEach, expect, test } from 'vitest';
import { router } from './url.svelte';

beforeEach(() => router.go('/alerts', 'replace'));

/** happy-dom's history does not fire popstate by itself: tell the router as a browser would. */
function arrive(address: string, key: string): void {
  history.replaceState({ key }, '', address);
  dispatchEvent(new PopStateEvent('popstate', { state: { key } }));
}

test('a change of state is an entry of the history, with the rest of the state kept', () => {
  const before = history.length;
  router.set({ q: 'sid:21562' });
  router.set({ status: 'all' });
  expect(location.search).toBe('?q=sid%3A21562&status=all');
  expect(router.alerts.q).toBe('sid:21562');
  expect(history.length).toBe(before + 2);
});

test('the same address is no new entry', () => {
  const before = history.length;
  router.set({});
  expect(history.length).toBe(before);
});

test('opening the drawer changes the path and keeps the list', () => {
  router.set({ q: 'x' });
  router.set({ sel: 'g1' }, { path: '/alerts/g/g1' });
  expect(router.place.params.group).toBe('g1');
  expect(router.alerts.q).toBe('x');
});

test('going back gives back where the page was scrolled to and what had the focus', () => {
  document.body.innerHTML = '<div data-keep-scroll="list"></div><button id="row-7">7</button>';
  const list = document.querySelector<HTMLElement>('[data-keep-scroll]')!;
  const key = (history.state as { key: string }).key;
  list.scrollTop = 420;
  document.getElementById('row-7')!.focus();
  router.go('/rules');
  list.scrollTop = 0;
  arrive('/alerts', key);
  expect(router.path).toBe('/alerts');
  expect(router.restored).toEqual({ scroll: { list: 420 }, focus: 'row-7' });
});

test('links within the page are followed here, others by the browser', () => {
  document.body.innerHTML =
    '<a id="in" href="/rules?q=1">r</a><a id="out" href="https://example.test/">x</a><a id="api" href="/api/v1/me">a</a>';
  const click = (id: string, more: MouseEventInit = {}) => {
    const event = new MouseEvent('click', { bubbles: true, cancelable: true, ...more });
    const link = document.getElementById(id)!;
    link.addEventListener('click', router.follow, { once: true });
    link.dispatchEvent(event);
    return event.defaultPrevented;
  };
  expect(click('in', { ctrlKey: true })).toBe(false);
  expect(click('out')).toBe(false);
  expect(click('api')).toBe(false);
  expect(click('in')).toBe(true);
  expect(router.path + router.search).toBe('/rules?q=1');
});
