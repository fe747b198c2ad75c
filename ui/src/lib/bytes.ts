/**
 * Bytes as rows of text or hexadecimal, with the ranges that a rule matched.
 *
 * Offsets of matches count from the start of the whole buffer; what is kept of it may begin later and end earlier.
 */
import type { Evidence, EvidenceMatch } from './api/types';

export interface Mark {
  /** First byte and first byte after, within the bytes kept. */
  start: number;
  end: number;
  /** Number of the option within the rule. */
  option: number;
  text: string;
}

export interface Run {
  text: string;
  /** Options that matched here; empty for bytes that none did. */
  options: number[];
  /** Stands for bytes that cannot be printed. */
  escaped: boolean;
}

/** Bytes of a base64 text (RFC 4648 section 4); empty for text that is none. */
export function fromBase64(text: string): Uint8Array {
  try {
    const binary = atob(text);
    return Uint8Array.from(binary, (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

/** Matches that lie, at least in part, in the bytes kept, in order. Empty matches mark nothing. */
export function marksOf(matches: readonly EvidenceMatch[], buffer: string, offset: number, kept: number): Mark[] {
  return matches
    .filter((match) => match.buffer === buffer)
    .map((match) => ({
      start: Math.max(match.offset - offset, 0),
      end: Math.min(match.offset - offset + match.length, kept),
      option: match.option,
      text: match.text,
    }))
    .filter((mark) => mark.end > mark.start)
    .sort((a, b) => a.start - b.start || a.end - b.end);
}

/** Places where the set of matching options changes, with that set. */
function segments(
  from: number,
  to: number,
  marks: readonly Mark[],
): { start: number; end: number; options: number[] }[] {
  const cuts = new Set([from, to]);
  for (const mark of marks) {
    if (mark.start > from && mark.start < to) cuts.add(mark.start);
    if (mark.end > from && mark.end < to) cuts.add(mark.end);
  }
  const sorted = [...cuts].sort((a, b) => a - b);
  const out: { start: number; end: number; options: number[] }[] = [];
  for (let index = 0; index + 1 < sorted.length; index += 1) {
    const start = sorted[index] ?? 0;
    const end = sorted[index + 1] ?? 0;
    const options = marks.filter((mark) => mark.start < end && mark.end > start).map((mark) => mark.option);
    out.push({ start, end, options: [...new Set(options)] });
  }
  return out;
}

const printable = (byte: number) => byte >= 0x20 && byte < 0x7f;
const hex = (byte: number) => byte.toString(16).padStart(2, '0');
/** Pictures of control characters: ␀ … ␡. */
const picture = (byte: number) =>
  byte < 0x20 ? String.fromCharCode(0x2400 + byte) : byte === 0x7f ? '␡' : `\\x${hex(byte)}`;

export interface TextRow {
  /** Offset within the bytes kept. */
  offset: number;
  runs: Run[];
}

/** 0 printable, 1 has a picture, 2 is shown as `\xNN`, which is four columns wide. */
const kindOf = (byte: number) => (printable(byte) ? 0 : byte < 0x20 || byte === 0x7f ? 1 : 2);

/** End of the row that begins at `start`: after a line feed, or before it would be wider than `width` columns. */
function rowEnd(bytes: Uint8Array, start: number, width: number): number {
  let columns = 0;
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    columns += kindOf(byte) === 2 ? 4 : 1;
    if (columns > width && at > start) return at;
    if (byte === 0x0a) return at + 1;
  }
  return bytes.length;
}

/** Rows of text, at most `width` columns wide. Nothing but ASCII is shown as itself. */
export function textRows(bytes: Uint8Array, marks: readonly Mark[], width = 96): TextRow[] {
  const rows: TextRow[] = [];
  let start = 0;
  while (start < bytes.length) {
    const end = rowEnd(bytes, start, width);
    const runs: Run[] = [];
    for (const segment of segments(start, end, marks)) {
      let at = segment.start;
      while (at < segment.end) {
        const kind = kindOf(bytes[at] ?? 0);
        let stop = at;
        let text = '';
        while (stop < segment.end && kindOf(bytes[stop] ?? 0) === kind) {
          const byte = bytes[stop] ?? 0;
          text += kind === 0 ? String.fromCharCode(byte) : picture(byte);
          stop += 1;
        }
        runs.push({ text, options: segment.options, escaped: kind !== 0 });
        at = stop;
      }
    }
    rows.push({ offset: start, runs });
    start = end;
  }
  return rows;
}

export interface HexRow {
  offset: number;
  hex: Run[];
  ascii: Run[];
}

/** Rows of sixteen: hexadecimal beside ASCII with dots. */
export function hexRows(bytes: Uint8Array, marks: readonly Mark[], width = 16): HexRow[] {
  const rows: HexRow[] = [];
  for (let start = 0; start < bytes.length; start += width) {
    const end = Math.min(start + width, bytes.length);
    const parts = segments(start, end, marks);
    const run = (segment: { start: number; end: number; options: number[] }, ascii: boolean): Run => {
      let text = '';
      for (let at = segment.start; at < segment.end; at += 1) {
        const byte = bytes[at] ?? 0;
        if (ascii) text += printable(byte) ? String.fromCharCode(byte) : '·';
        else text += hex(byte) + (at + 1 === end ? '' : (at - start) % 8 === 7 ? '  ' : ' ');
      }
      return { text, options: segment.options, escaped: false };
    };
    rows.push({
      offset: start,
      hex: parts.map((segment) => run(segment, false)),
      ascii: parts.map((segment) => run(segment, true)),
    });
  }
  return rows;
}

export interface View {
  name: string;
  bytes: Uint8Array;
  /** Offset in the whole buffer of the first byte kept, and the whole buffer's length. */
  offset: number;
  length: number;
  marks: Mark[];
}

/** What can be looked at of an event: each matched buffer, then the payload. */
export function viewsOf(evidence: Evidence | undefined): View[] {
  if (!evidence) return [];
  const views: View[] = evidence.buffers.map((buffer) => {
    const bytes = fromBase64(buffer.b64);
    return {
      name: buffer.name,
      bytes,
      offset: buffer.offset,
      length: buffer.length,
      marks: marksOf(evidence.matches, buffer.name, buffer.offset, bytes.length),
    };
  });
  const payload = fromBase64(evidence.payload_b64);
  if (payload.length > 0 && !views.some((view) => view.name === 'payload')) {
    const marks = marksOf(evidence.matches, 'payload', 0, payload.length);
    views.push({ name: 'payload', bytes: payload, offset: 0, length: evidence.payload_length, marks });
  }
  return views;
}

/** As a rule's content would be written: `smk=|0d 0a|`. */
export function asContent(bytes: Uint8Array): string {
  let out = '';
  let inHex = false;
  for (const byte of bytes) {
    const plain = printable(byte) && !'"\\|;:'.includes(String.fromCharCode(byte));
    if (plain === inHex) {
      out += '|';
      inHex = !plain;
    } else if (inHex) {
      out += ' ';
    }
    out += plain ? String.fromCharCode(byte) : hex(byte);
  }
  return inHex ? `${out}|` : out;
}
