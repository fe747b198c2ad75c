/** What rules cost the nodes, in words. */
import type { RuleCost } from './api/types';
import { percent, plural, short } from './format';

/** `0.31 µs`, `4.2 µs`, `1,200 µs` as `1.2 ms`. */
export function micros(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return `${(value / 1000).toFixed(value >= 100_000 ? 0 : 1)} ms`;
  return `${value >= 100 ? Math.round(value) : value >= 1 ? value.toFixed(1) : value.toFixed(2)} µs`;
}

/** The part of all rules' time that is the rule's. */
export const costShare = (cost: RuleCost): string => percent(cost.share, 1);

/** What one look takes, and how many there were. */
export const costDetail = (cost: RuleCost): string => `${micros(cost.average_us)} × ${short(cost.evaluations)}`;

/** All of it in a sentence. */
export const costWords = (cost: RuleCost | null): string =>
  cost === null
    ? 'cost not measured'
    : `${costShare(cost)} of the time that rules take: ${micros(cost.average_us)} a look, ` +
      `${plural(cost.evaluations, 'look')}, ${plural(cost.matches, 'match', 'matches')}, on ${plural(cost.nodes, 'node')}`;
