/** What is taste and not state: kept in this browser, never in the address. */
import type { Zone } from './time';

interface Prefs {
  theme: 'system' | 'light' | 'dark';
  density: 'comfortable' | 'compact';
  zone: Zone;
  /** Single-letter keys work (WCAG 2.1.4). */
  letters: boolean;
  facets: boolean;
  bytes: 'text' | 'hex';
}

const NAME = 'tapir.prefs';
const FIRST: Prefs = {
  theme: 'system',
  density: 'comfortable',
  zone: 'local',
  letters: true,
  facets: true,
  bytes: 'text',
};

function read(): Prefs {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(NAME) ?? '{}');
    const out = { ...FIRST };
    if (kept && typeof kept === 'object') {
      for (const key of Object.keys(FIRST) as (keyof Prefs)[]) {
        const value = (kept as Record<string, unknown>)[key];
        if (typeof value === typeof FIRST[key]) Object.assign(out, { [key]: value });
      }
    }
    return out;
  } catch {
    return { ...FIRST };
  }
}

export const prefs = $state<Prefs>(read());

export function setPref<K extends keyof Prefs>(key: K, value: Prefs[K]): void {
  prefs[key] = value;
  try {
    localStorage.setItem(NAME, JSON.stringify(prefs));
  } catch {
    // A browser that keeps nothing: the choice lasts as long as the page.
  }
}
