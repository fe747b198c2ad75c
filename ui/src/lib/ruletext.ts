/** A rule's text with the options that matched: pure cutting of a string. */
export interface RulePart {
  text: string;
  /** Number of the option that this is, if it matched. */
  option: number | null;
}

/** Finds each option in its order; one that is written differently in the rule stays unmarked. */
export function markRule(
  rule: string,
  options: readonly { index: number; text: string; outcome: string }[],
): RulePart[] {
  const out: RulePart[] = [];
  let at = 0;
  for (const option of options) {
    if (option.text === '') continue;
    const found = rule.indexOf(option.text, at);
    if (found < 0) continue;
    if (found > at) out.push({ text: rule.slice(at, found), option: null });
    out.push({ text: option.text, option: option.outcome === 'matched' ? option.index : null });
    at = found + option.text.length;
  }
  if (at < rule.length) out.push({ text: rule.slice(at), option: null });
  return out;
}

/** One option a line, for reading. */
export function broken(rule: string): string {
  if (rule.includes('\n')) return rule;
  let out = '';
  let quote = false;
  for (let index = 0; index < rule.length; index += 1) {
    const character = rule[index] ?? '';
    if (character === '\\' && quote) {
      out += character + (rule[index + 1] ?? '');
      index += 1;
      continue;
    }
    if (character === '"') quote = !quote;
    out += character;
    if (!quote && (character === ';' || (character === '(' && !out.includes('\n')))) {
      while (rule[index + 1] === ' ') index += 1;
      out += rule[index + 1] === ')' ? '\n' : '\n    ';
    }
  }
  return out;
}
