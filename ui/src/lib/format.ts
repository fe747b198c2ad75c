/** Numbers as people read them, alike in every locale. */
import { type Counts, STATUSES, type Status } from './api/types';

/** `4,018`. */
export function count(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `37`, or `10,000+` for a total that is only known to be at least this. */
export const total = (value: { count: number; exact: boolean }): string =>
  count(value.count) + (value.exact ? '' : '+');

/** How many groups there are of a state, or of all of them. */
export function inState(counts: Counts, status: Status | 'all'): { count: number; exact: boolean } {
  const states = status === 'all' ? STATUSES : [status];
  return {
    count: states.reduce((sum, state) => sum + counts[state], 0),
    exact: !states.some((state) => counts.at_least?.includes(state)),
  };
}

/** `950`, `1.2 k`, `3.4 M`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '–';
  for (const [limit, unit] of [
    [1e12, 'T'],
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (value >= limit) {
      const scaled = value / limit;
      return `${scaled >= 100 ? Math.floor(scaled) : (Math.floor(scaled * 10) / 10).toString()} ${unit}`;
    }
  }
  return Math.round(value).toString();
}

/** `812 B`, `3.4 MiB`. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return unit === 0
    ? `${Math.round(value)} B`
    : `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const plural = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** `99.98 %`; never 100 for a part that is not the whole, never 0 for one that is not nothing. */
export function percent(part: number, whole: number): string {
  if (!(whole > 0)) return '–';
  const value = (part / whole) * 100;
  if (part > 0 && value < 0.01) return '< 0.01 %';
  if (part < whole && value > 99.99) return '> 99.99 %';
  return `${value >= 10 || value === 0 ? Number(value.toFixed(1)) : Number(value.toFixed(2))} %`;
}
