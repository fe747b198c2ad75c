import { expect, test } from 'vitest';
import { DEFAULTS, inspectionPathOf, placeOf, readAlerts, safePath, sameList, writeAlerts } from './route';

test('paths lead to pages and give their parts decoded', () => {
  expect(placeOf('/')).toEqual({ page: 'overview', params: {} });
  expect(placeOf('/alerts/g/00ff00ff00ff00ff')).toEqual({ page: 'alerts', params: { group: '00ff00ff00ff00ff' } });
  expect(placeOf('/alerts/e/worker%2F3-12-845/')).toEqual({ page: 'alerts', params: { event: 'worker/3-12-845' } });
  expect(placeOf('/inspections/shop/front')).toEqual({
    page: 'inspection',
    params: { namespace: 'shop', name: 'front' },
  });
  expect(placeOf('/rules/1-21562').params).toEqual({ gid: '1', sid: '21562' });
  expect(placeOf('/rules/x').page).toBe('missing');
  expect(placeOf('/nodes/%E0%A4%A').params).toEqual({ name: '%E0%A4%A' });
});

test('an inspection is found again whatever is in its name', () => {
  for (const [namespace, name] of [
    ['shop', 'frontend'],
    ['shop', 'a/b/c'],
    ['', 'local'],
    ['shop', '#x?y%2F'],
  ])
    expect(placeOf(inspectionPathOf(`${namespace}/${name}`))).toEqual({
      page: 'inspection',
      params: { namespace, name },
    });
});

test('an address without parameters is the default, and the default needs none', () => {
  expect(readAlerts('')).toEqual(DEFAULTS);
  expect(writeAlerts(DEFAULTS)).toBe('');
});

test('what is written is read again', () => {
  const state = {
    ...DEFAULTS,
    q: 'severity>=high ns:"a&b" #%',
    from: '2026-11-24T00:00:00Z',
    status: 'escalated' as const,
    group: 'sig' as const,
    sel: 'abc',
    tab: 'raw' as const,
    live: false,
  };
  expect(readAlerts(writeAlerts(state))).toEqual(state);
});

test('values that are none are the default', () => {
  expect(readAlerts('?status=evil&from=yesterday&to=now-5x&group=__proto__&live=maybe')).toEqual(DEFAULTS);
});

test('the focused row and the tab do not make another list', () => {
  expect(sameList(DEFAULTS, { ...DEFAULTS, sel: 'x', tab: 'raw', live: false })).toBe(true);
  expect(sameList(DEFAULTS, { ...DEFAULTS, sort: 'count' })).toBe(false);
});

test('stored addresses stay within the pages', () => {
  expect(safePath('/alerts?q=x')).toBe('/alerts?q=x');
  for (const bad of ['javascript:alert(1)', '//evil.test', '/\\evil.test', 'https://evil.test', '/api/v1/me'])
    expect(safePath(bad)).toBe('/alerts');
});
