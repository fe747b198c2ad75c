/**
 * Changes that are shown before the manager has agreed.
 *
 * Pure: what the row will look like, and what counts will become; the caller keeps the old values to put back.
 */
import type { ActionRequest, Counts, Group, Status } from './api/types';

const RESULT: Partial<Record<ActionRequest['action'], Status>> = {
  dismiss: 'dismissed',
  acknowledge: 'acknowledged',
  escalate: 'escalated',
  reopen: 'open',
};

/** The status that rows get, or null for actions that leave it. */
export const resultOf = (action: ActionRequest['action']): Status | null => RESULT[action] ?? null;

export function applied(group: Group, request: ActionRequest): Group {
  const status = resultOf(request.action);
  return {
    ...group,
    ...(status ? { status } : {}),
    ...(request.action === 'dismiss' ? { reason: request.reason ?? null } : {}),
    ...(request.action === 'reopen' ? { reason: null } : {}),
    ...(request.action === 'assign' ? { assignee: request.assignee || null } : {}),
    ...(request.comment ? { comments: group.comments + 1 } : {}),
  };
}

/** Whether a row still belongs to the list that is shown. */
export const stays = (group: { status: Status }, shown: Status | 'all'): boolean =>
  shown === 'all' || group.status === shown;

/** Counts after rows went from their status to another. */
export function moved(counts: Counts, groups: readonly Group[], to: Status): Counts {
  const out = { ...counts };
  for (const group of groups) {
    if (group.status === to) continue;
    out[group.status] = Math.max(0, out[group.status] - 1);
    out[to] += 1;
  }
  return out;
}

const PAST: Record<ActionRequest['action'], string> = {
  dismiss: 'Dismissed',
  acknowledge: 'Acknowledged',
  escalate: 'Escalated',
  reopen: 'Reopened',
  assign: 'Assigned',
  comment: 'Commented on',
};

export const told = (action: ActionRequest['action'], changed: number): string =>
  `${PAST[action]} ${changed === 1 ? '1 group' : `${changed.toLocaleString('en')} groups`}`;
