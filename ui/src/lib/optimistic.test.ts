import { expect, test } from 'vitest';
import type { Group } from './api/types';
import { applied, moved, resultOf, stays, told } from './optimistic';

const group = (status: Group['status'], more: Partial<Group> = {}) =>
  ({ id: 'x', status, reason: null, comments: 0, assignee: null, ...more }) as Group;

test('a row looks at once as the manager will answer', () => {
  expect(applied(group('open'), { action: 'dismiss', reason: 'expected', comment: 'SEC-812' })).toMatchObject({
    status: 'dismissed',
    reason: 'expected',
    comments: 1,
  });
  expect(applied(group('dismissed', { reason: 'other' }), { action: 'reopen' })).toMatchObject({
    status: 'open',
    reason: null,
  });
  expect(applied(group('escalated'), { action: 'assign', assignee: 'ana' })).toMatchObject({
    status: 'escalated',
    assignee: 'ana',
  });
  expect(applied(group('escalated', { assignee: 'ana' }), { action: 'assign', assignee: '' }).assignee).toBeNull();
});

test('the row that is changed is not the one that was', () => {
  const before = group('open');
  applied(before, { action: 'dismiss' });
  expect(before.status).toBe('open');
});

test('rows leave the list of a status that they no longer have', () => {
  expect(stays(group('dismissed'), 'open')).toBe(false);
  expect(stays(group('dismissed'), 'all')).toBe(true);
});

test('counts move with the rows and never below nothing', () => {
  const counts = { open: 1, escalated: 0, acknowledged: 5, dismissed: 0 };
  expect(moved(counts, [group('open'), group('open'), group('dismissed')], 'dismissed')).toEqual({
    open: 0,
    escalated: 0,
    acknowledged: 5,
    dismissed: 2,
  });
  expect(counts.open).toBe(1);
});

test('actions are told in words', () => {
  expect(told('dismiss', 1)).toBe('Dismissed 1 group');
  expect(told('acknowledge', 4018)).toBe('Acknowledged 4,018 groups');
  expect(resultOf('comment')).toBeNull();
});
