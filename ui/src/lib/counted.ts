/**
 * How many alerts a row of the list stands for: those in the chosen time range, and all that are kept.
 *
 * The manager counts the range when a list is asked for. What the live stream and actions bring has no such count: it is
 * carried over from the row that was shown, until the list is asked for again.
 */
import type { Group } from './api/types';
import { count, plural } from './format';
import type { Span } from './time';

type Counted = Pick<Group, 'count' | 'in_range'>;

/** The number to show: in the range where that is known, else of all time. */
export const shownCount = (group: Counted): number => group.in_range ?? group.count;

/** The same in words, with the other number. */
export const countWords = (group: Counted): string =>
  group.in_range === null || group.in_range === undefined
    ? `${plural(group.count, 'alert')} in all; those in this range were not counted`
    : `${count(group.in_range)} in this range, ${count(group.count)} in all`;

/**
 * A row that came without its count in the range, with one. `known`: the row that it replaces; what its count grew by has
 * come just now, and is in the range if that ends now. Without one only a group that lies in the range as a whole is
 * known to have all of its alerts there.
 */
export function withRange(group: Group, known: Counted | null, span: Span, endsNow: boolean): Group {
  if (group.in_range !== null && group.in_range !== undefined) return group;
  // Times and counts are of hidden alerts, too, where those are asked for; the count in the range never is.
  const hidden = (group.suppressed ?? 0) > 0;
  const whole =
    !hidden && Date.parse(group.first_seen) > span.from && (endsNow || Date.parse(group.last_seen) <= span.to);
  if (whole) return { ...group, in_range: group.count };
  const before = known?.in_range;
  if (!known || before === null || before === undefined) return group;
  const grown = endsNow ? group.count - known.count : 0;
  return { ...group, in_range: Math.min(group.count, Math.max(0, before + grown)) };
}
