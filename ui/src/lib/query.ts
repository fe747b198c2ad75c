/**
 * As much of the query language as the search box needs: what is being typed, and adding and dropping a term.
 *
 * The manager alone decides what a query means (`POST query/check`); nothing here refuses one.
 */
import type { Field } from './api/types';

export interface Term {
  start: number;
  end: number;
  text: string;
}

/** Words and parenthesised or quoted parts at the top level, in order. */
export function terms(q: string): Term[] {
  const out: Term[] = [];
  let start = -1;
  let depth = 0;
  let quote = '';
  for (let index = 0; index <= q.length; index += 1) {
    const character = q[index];
    const ends = character === undefined || (quote === '' && depth === 0 && /\s/.test(character));
    if (ends) {
      if (start >= 0) out.push({ start, end: index, text: q.slice(start, index) });
      start = -1;
      continue;
    }
    if (start < 0) start = index;
    if (quote !== '') {
      if (character === '\\') index += 1;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if (character === '(') depth += 1;
    else if (character === ')') depth = Math.max(0, depth - 1);
  }
  return out;
}

/** A value as it must be written after an operator. */
export function quoted(value: string): string {
  if (/^[\p{L}\p{N}_./@-]+$/u.test(value) && !/^(and|or|not)$/i.test(value) && !value.startsWith('-')) return value;
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

export const termFor = (field: string, value: string, not = false): string =>
  `${not ? '-' : ''}${field}:${quoted(value)}`;

const OPERATORS = /^(and|or|not)$/i;

/** With the term added, unless it is there. A query with OR at its top level is put in parentheses first. */
export function withTerm(q: string, term: string): string {
  const known = terms(q);
  if (known.some((candidate) => candidate.text === term)) return q;
  const trimmed = q.trim();
  if (trimmed === '') return term;
  const base = known.some((candidate) => /^or$/i.test(candidate.text)) ? `(${trimmed})` : trimmed;
  return `${base} ${term}`;
}

export function hasTerm(q: string, term: string): boolean {
  return terms(q).some((candidate) => candidate.text === term);
}

/** Without the term at this place, and without an operator that would hang in the air. */
export function withoutTerm(q: string, index: number): string {
  const known = terms(q);
  const drop = new Set([index]);
  const before = known[index - 1];
  const after = known[index + 1];
  if (before && /^not$/i.test(before.text)) drop.add(index - 1);
  const left = known[drop.has(index - 1) ? index - 2 : index - 1];
  if (left && OPERATORS.test(left.text)) drop.add(known.indexOf(left));
  else if (after && /^(and|or)$/i.test(after.text)) drop.add(index + 1);
  return known
    .filter((_, at) => !drop.has(at))
    .map((term) => term.text)
    .join(' ');
}

export function toggledTerm(q: string, term: string): string {
  const index = terms(q).findIndex((candidate) => candidate.text === term);
  return index < 0 ? withTerm(q, term) : withoutTerm(q, index);
}

/** Parts that can be shown as chips: everything but operators; null when OR or NOT joins them, as no chip stands alone then. */
export function chips(q: string): Term[] | null {
  const known = terms(q);
  if (known.some((term) => /^(or|not)$/i.test(term.text))) return null;
  return known.filter((term) => !OPERATORS.test(term.text));
}

export interface Typed {
  /** Which part of the text a choice takes the place of. */
  start: number;
  end: number;
  prefix: string;
  /** Set when a value of this field is being typed. */
  field: string | null;
}

/** What stands before the cursor: the beginning of a field's name, or of a value. */
export function typedAt(q: string, cursor: number): Typed {
  const before = q.slice(0, cursor);
  const word = /[^\s()]*$/.exec(before)?.[0] ?? '';
  const dash = word.startsWith('-') ? 1 : 0;
  const start = cursor - word.length + dash;
  const body = word.slice(dash);
  const found = /^([A-Za-z_][\w.]*)(!=|<=|>=|[:=<>])(.*)$/.exec(body);
  if (!found) return { start, end: cursor, prefix: body, field: null };
  const [, field = '', operator = '', value = ''] = found;
  return { start: start + field.length + operator.length, end: cursor, prefix: value.replace(/^"/, ''), field };
}

export interface Choice {
  text: string;
  detail: string;
  kind: 'field' | 'value' | 'word';
  /** Put in without a space after it, as more must follow. */
  open: boolean;
}

const IS = ['open', 'acknowledged', 'escalated', 'dismissed', 'suppressed', 'encrypted', 'noisy'];
const HAS = ['mitre', 'cve', 'assignee', 'reason', 'service', 'client', 'server'];
const MAX_CHOICES = 12;

/** What may stand at the cursor, from the catalogue; values that the manager knows are added by the caller. */
export function choices(
  typed: Typed,
  fields: readonly Field[],
  values: readonly { value: string; count: number }[] = [],
): Choice[] {
  const prefix = typed.prefix.toLowerCase();
  if (typed.field !== null) {
    const name = typed.field.toLowerCase();
    const fixed =
      name === 'is'
        ? IS
        : name === 'has'
          ? HAS
          : (fields.find((f) => f.name === name || f.aliases.includes(name))?.values ?? []);
    const out: Choice[] = fixed
      .filter((value) => value.toLowerCase().startsWith(prefix))
      .map((value) => ({ text: quoted(value), detail: '', kind: 'value', open: false }));
    for (const { value, count } of values) {
      if (!fixed.includes(value))
        out.push({ text: quoted(value), detail: count.toLocaleString('en'), kind: 'value', open: false });
    }
    return out.slice(0, MAX_CHOICES);
  }
  const scored: [number, Choice][] = [];
  for (const field of fields) {
    const names = [field.name, ...field.aliases];
    const rank = names.some((name) => name === prefix)
      ? 0
      : field.name.startsWith(prefix)
        ? 1
        : names.some((name) => name.startsWith(prefix))
          ? 2
          : prefix.length > 1 && field.name.includes(prefix)
            ? 3
            : -1;
    if (rank < 0) continue;
    scored.push([rank, { text: `${field.name}:`, detail: field.description, kind: 'field', open: true }]);
  }
  for (const [word, detail] of [
    ['is:', 'state: open, dismissed, noisy, …'],
    ['has:', 'something is known: mitre, cve, …'],
  ] as const) {
    if (word.startsWith(prefix)) scored.push([prefix === '' ? 0 : 1, { text: word, detail, kind: 'word', open: true }]);
  }
  return scored
    .sort((a, b) => a[0] - b[0])
    .map(([, choice]) => choice)
    .slice(0, MAX_CHOICES);
}

/** The text with a choice put in, and where the cursor then is. */
export function choose(q: string, typed: Typed, choice: Choice): { q: string; cursor: number } {
  const after = q.slice(typed.end);
  const space = choice.open || after.startsWith(' ') ? '' : ' ';
  const head = q.slice(0, typed.start) + choice.text + space;
  return { q: head + after, cursor: head.length };
}

/** Where in the text (UTF-16) an offset in its UTF-8 bytes lies. */
export function fromByteOffset(text: string, offset: number): number {
  let bytes = 0;
  let at = 0;
  for (const character of text) {
    if (bytes >= offset) break;
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    at += character.length;
  }
  return at;
}
