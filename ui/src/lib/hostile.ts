/**
 * Text that an attacker may have written, made safe to *read*.
 *
 * Markup is no danger here: the page only ever makes text nodes. What is left are characters that change how others
 * are shown, or are not shown: those become `⟨U+202E⟩`.
 */

export interface Piece {
  text: string;
  /** Stands for a character that was not shown. */
  escaped: boolean;
}

/**
 * Control characters, bidi controls, zero width, line and paragraph separators, interlinear annotation, tags, variation
 * selectors beyond the emoji one, unpaired surrogates, non-characters, soft hyphen, Hangul and Braille blanks.
 */
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}\p{Cs}]|[\t\n]/gu;

/** More than this many marks on one letter climb over the lines above. */
const MAX_MARKS = 2;
const MARKS = new RegExp(`(\\p{M}{${MAX_MARKS}})\\p{M}+`, 'gu');

export function codePoint(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}

/** Pieces to show one after another. `lines`: tabs and line feeds may stay. */
export function pieces(text: string, lines = false): Piece[] {
  const out: Piece[] = [];
  const calm = text.replace(MARKS, '$1');
  let last = 0;
  for (const found of calm.matchAll(HIDDEN)) {
    if (lines && (found[0] === '\n' || found[0] === '\t')) continue;
    if (found.index > last) out.push({ text: calm.slice(last, found.index), escaped: false });
    out.push({ text: codePoint(found[0]), escaped: true });
    last = found.index + found[0].length;
  }
  if (last < calm.length) out.push({ text: calm.slice(last), escaped: false });
  return out;
}

/** The same as one string, for titles and labels. */
export const readable = (text: string, lines = false): string =>
  pieces(text, lines)
    .map((piece) => piece.text)
    .join('');

/** An address that a link may go to: http or https, else null. */
export function safeLink(address: string): string | null {
  try {
    const url = new URL(address);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}
