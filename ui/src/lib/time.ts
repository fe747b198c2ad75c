/** Times and ranges: `now-24h` and RFC 3339, zooming and panning, and how people read them. */

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

export interface Span {
  /** Milliseconds since 1970. */
  from: number;
  to: number;
}

export const PRESETS: readonly { from: string; label: string }[] = [
  { from: 'now-15m', label: 'Last 15 minutes' },
  { from: 'now-1h', label: 'Last hour' },
  { from: 'now-6h', label: 'Last 6 hours' },
  { from: 'now-24h', label: 'Last 24 hours' },
  { from: 'now-7d', label: 'Last 7 days' },
  { from: 'now-30d', label: 'Last 30 days' },
  { from: 'now-90d', label: 'Last 90 days' },
];

const SHORTEST = 60_000;
const LONGEST = 366 * 86_400_000;

/** Milliseconds since 1970, or null for text that is no time. */
export function resolve(text: string, now: number): number | null {
  const relative = /^now(?:-(\d{1,6})([smhdw]))?$/.exec(text);
  if (relative) return now - Number(relative[1] ?? 0) * (UNITS[relative[2] ?? 's'] ?? 1) * 1000;
  const at = Date.parse(text);
  return Number.isFinite(at) ? at : null;
}

export function spanOf(from: string, to: string, now: number): Span {
  const end = resolve(to, now) ?? now;
  const start = resolve(from, now) ?? end - 86_400_000;
  return start < end ? { from: start, to: end } : { from: end - SHORTEST, to: end };
}

const iso = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');

/** As the address says it. An end in the last minute is `now`. */
export function written(span: Span, now: number): { from: string; to: string } {
  return { from: iso(span.from), to: span.to >= now - 30_000 ? 'now' : iso(span.to) };
}

function bounded(span: Span, now: number): Span {
  let length = Math.min(Math.max(span.to - span.from, SHORTEST), LONGEST);
  if (!Number.isFinite(length)) length = 86_400_000;
  const middle = (span.from + span.to) / 2;
  const to = Math.min(middle + length / 2, now);
  return { from: to - length, to };
}

/** Twice as long around its middle, not beyond now. */
export const zoomOut = (span: Span, now: number): Span => {
  const length = span.to - span.from;
  return bounded({ from: span.from - length / 2, to: span.to + length / 2 }, now);
};

/** Half as long around its middle. */
export const zoomIn = (span: Span, now: number): Span => {
  const length = span.to - span.from;
  return bounded({ from: span.from + length / 4, to: span.to - length / 4 }, now);
};

/** Half of its length earlier (-1) or later (1), not beyond now. */
export const shift = (span: Span, direction: -1 | 1, now: number): Span => {
  const step = ((span.to - span.from) / 2) * direction;
  return bounded({ from: span.from + step, to: span.to + step }, now);
};

/** What the range is called: a preset's name, or its two ends. */
export function rangeLabel(from: string, to: string, zone: Zone): string {
  if (to === 'now') {
    const preset = PRESETS.find((candidate) => candidate.from === from);
    if (preset) return preset.label;
    const relative = /^now-(\d+)([smhdw])$/.exec(from);
    const names: Record<string, string> = { s: 'seconds', m: 'minutes', h: 'hours', d: 'days', w: 'weeks' };
    if (relative) return `Last ${relative[1]} ${names[relative[2] ?? 's']}`;
  }
  const end = (text: string) => (/^now/.test(text) ? text : absolute(text, zone, 'minute'));
  return `${end(from)} – ${end(to)}`;
}

export type Zone = 'local' | 'utc';

const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** `2026-11-24 03:12:07.412`, in the reader's zone or UTC. The text itself for what is no time. */
export function absolute(text: string, zone: Zone, to: 'milli' | 'second' | 'minute' = 'second'): string {
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) return text;
  const utc = zone === 'utc';
  const day = utc
    ? `${at.getUTCFullYear()}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`
    : `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
  const clock = utc
    ? [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()]
    : [at.getHours(), at.getMinutes(), at.getSeconds()];
  const shown = clock.slice(0, to === 'minute' ? 2 : 3).map((part) => pad(part));
  const milli = to === 'milli' ? `.${pad(at.getUTCMilliseconds(), 3)}` : '';
  return `${day} ${shown.join(':')}${milli}${utc ? ' UTC' : ''}`;
}

/** A label of a time axis whose labels are `step` milliseconds apart: a time of day, or the day where one begins. */
export function tick(at: number, step: number, zone: Zone): string {
  const [day = '', clock = ''] = absolute(new Date(at).toISOString(), zone).split(' ');
  if (step >= 86_400_000 || clock === '00:00:00') return day.slice(5);
  return step < 60_000 ? clock : clock.slice(0, 5);
}

/** `14 s`, `2 m`, `3 h`, `9 d`: how long ago. `now` for less than a second and for clocks that disagree. */
export function ago(text: string, now: number): string {
  const at = Date.parse(text);
  if (!Number.isFinite(at)) return '–';
  const seconds = Math.floor((now - at) / 1000);
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m`;
  if (seconds < 86_400 * 2) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 86_400 * 730) return `${Math.floor(seconds / 86_400)} d`;
  return `${Math.floor(seconds / (86_400 * 365.25))} y`;
}

/** For screen readers: `2 minutes ago`. */
export function spokenAgo(text: string, now: number): string {
  const short = ago(text, now);
  if (short === 'now' || short === '–') return short === 'now' ? 'just now' : 'unknown';
  const [count, unit] = short.split(' ');
  const names: Record<string, string> = { s: 'second', m: 'minute', h: 'hour', d: 'day', y: 'year' };
  return `${count} ${names[unit ?? 's']}${count === '1' ? '' : 's'} ago`;
}

/** `3.2 s`, `14 m 5 s`: a duration. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '–';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor((seconds % 86_400) / 3600), 'h'],
    [Math.floor((seconds % 3600) / 60), 'm'],
    [seconds % 60, 's'],
  ];
  return parts
    .filter(([value]) => value > 0)
    .slice(0, 2)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}
