/**
 * Keys to commands. One dispatcher for the whole page.
 *
 * A binding is a key, or two keys one after another (`g a`). Single letters are off while somebody types, while a
 * dialog is open, and altogether if the reader turned them off (WCAG 2.1.4); bindings with Ctrl or ⌘ always work.
 */

export interface Binding {
  /** `j`, `Shift+x`, `g a`, `Mod+k` (⌘ on Apple's, Ctrl elsewhere), `Escape`, `[`. */
  keys: string;
  command: string;
}

/** Milliseconds within which the second key of a pair must follow. */
export const PAIR_TIME = 1000;

export interface KeyLike {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  target?: EventTarget | null;
}

/** The key as bindings write it; null for modifiers alone and for what belongs to the browser. */
export function nameOf(event: KeyLike): string | null {
  if (['Shift', 'Control', 'Alt', 'Meta', 'AltGraph', 'Dead', 'Process', 'Unidentified'].includes(event.key))
    return null;
  if (event.altKey && !event.ctrlKey) return null;
  if (event.ctrlKey && event.altKey) return event.key.length === 1 ? event.key : null; // AltGr writes [ and ] on some keyboards
  if (event.ctrlKey || event.metaKey) return `Mod+${event.key.toLowerCase()}`;
  if (event.key.length > 1) return event.shiftKey ? `Shift+${event.key}` : event.key;
  // A letter with Shift is the letter with Shift; a sign is the sign, wherever the keyboard has it.
  if (event.shiftKey && event.key.toLowerCase() !== event.key.toUpperCase()) return `Shift+${event.key.toLowerCase()}`;
  return event.key.toLowerCase();
}

export function isTyping(target: EventTarget | null | undefined): boolean {
  if (typeof Element === 'undefined' || !(target instanceof Element)) return false;
  if (target.closest('[contenteditable=""],[contenteditable="true"]')) return true;
  const tag = target.tagName;
  if (tag === 'TEXTAREA' || tag === 'SELECT') return true;
  return (
    tag === 'INPUT' && !['checkbox', 'radio', 'button', 'submit', 'range'].includes((target as HTMLInputElement).type)
  );
}

/** A letter, figure or sign that WCAG 2.1.4 is about. */
const isCharacter = (keys: string) =>
  !keys.startsWith('Mod+') && keys.split(' ').every((key) => key.replace('Shift+', '').length === 1);

export class Dispatcher {
  #bindings = new Map<string, string>();
  #pending: { key: string; at: number } | null = null;
  /** Single-character bindings work. */
  characters = true;

  constructor(bindings: readonly Binding[], remapped: Readonly<Record<string, string>> = {}) {
    for (const binding of bindings) {
      this.#bindings.set(remapped[binding.command] ?? binding.keys, binding.command);
    }
  }

  /** The command that this key completes, or null. `now` in milliseconds. */
  press(event: KeyLike, now: number, blocked = false): string | null {
    const key = nameOf(event);
    if (key === null) return null;
    const pending = this.#pending && now - this.#pending.at <= PAIR_TIME ? this.#pending.key : null;
    this.#pending = null;
    const single = !key.startsWith('Mod+');
    if (single && (blocked || isTyping(event.target))) return null;
    if (pending) {
      const pair = `${pending} ${key}`;
      const command = this.#bindings.get(pair);
      if (command && (this.characters || !isCharacter(pair))) return command;
    }
    const command = this.#bindings.get(key);
    if (command) return this.characters || !isCharacter(key) ? command : null;
    if (this.characters && [...this.#bindings.keys()].some((keys) => keys.startsWith(`${key} `))) {
      this.#pending = { key, at: now };
    }
    return null;
  }
}

export interface Described extends Binding {
  label: string;
  section: 'Everywhere' | 'List' | 'Alerts' | 'Drawer' | 'Time' | 'Go to';
}

/** The keyboard map. Menus, the palette and the help page read it, so that no key is told wrongly. */
export const MAP: readonly Described[] = [
  { keys: '?', command: 'help', label: 'Keyboard help', section: 'Everywhere' },
  { keys: 'Mod+k', command: 'palette', label: 'Command palette', section: 'Everywhere' },
  { keys: '/', command: 'search', label: 'Search', section: 'Everywhere' },
  { keys: 'Escape', command: 'close', label: 'Close, or clear the selection', section: 'Everywhere' },
  { keys: 'u', command: 'undo', label: 'Undo', section: 'Everywhere' },
  { keys: 'y', command: 'copy-link', label: 'Copy a link to what is shown', section: 'Everywhere' },
  { keys: 'j', command: 'down', label: 'Next row (or ↓)', section: 'List' },
  { keys: 'k', command: 'up', label: 'Previous row (or ↑)', section: 'List' },
  { keys: 'o', command: 'open', label: 'Open the drawer (or Enter)', section: 'List' },
  { keys: 'x', command: 'select', label: 'Select', section: 'List' },
  { keys: 'Shift+x', command: 'select-range', label: 'Select up to here', section: 'List' },
  { keys: '* a', command: 'select-all', label: 'Select all that match', section: 'List' },
  { keys: 'l', command: 'live', label: 'Live on or off', section: 'List' },
  { keys: 'e', command: 'dismiss', label: 'Dismiss…', section: 'Alerts' },
  { keys: 'a', command: 'acknowledge', label: 'Acknowledge', section: 'Alerts' },
  { keys: 's', command: 'escalate', label: 'Escalate', section: 'Alerts' },
  { keys: 'r', command: 'reopen', label: 'Reopen', section: 'Alerts' },
  { keys: 'i', command: 'assign', label: 'Assign…', section: 'Alerts' },
  { keys: 'c', command: 'comment', label: 'Comment…', section: 'Alerts' },
  { keys: 'q', command: 'quiet', label: 'Quiet this…', section: 'Alerts' },
  { keys: '[', command: 'previous-event', label: 'Previous event of the group', section: 'Drawer' },
  { keys: ']', command: 'next-event', label: 'Next event of the group', section: 'Drawer' },
  { keys: '1', command: 'tab-1', label: 'Why', section: 'Drawer' },
  { keys: '2', command: 'tab-2', label: 'Payload', section: 'Drawer' },
  { keys: '3', command: 'tab-3', label: 'Session', section: 'Drawer' },
  { keys: '4', command: 'tab-4', label: 'Related', section: 'Drawer' },
  { keys: '5', command: 'tab-5', label: 'Rule', section: 'Drawer' },
  { keys: '6', command: 'tab-6', label: 'Raw', section: 'Drawer' },
  { keys: 'p', command: 'pcap', label: 'Download the packet', section: 'Drawer' },
  { keys: 't', command: 'range', label: 'Time range', section: 'Time' },
  { keys: '-', command: 'zoom-out', label: 'Zoom out', section: 'Time' },
  { keys: '+', command: 'zoom-in', label: 'Zoom in', section: 'Time' },
  { keys: ',', command: 'earlier', label: 'Earlier', section: 'Time' },
  { keys: '.', command: 'later', label: 'Later', section: 'Time' },
  { keys: 'g o', command: 'go-overview', label: 'Overview', section: 'Go to' },
  { keys: 'g a', command: 'go-alerts', label: 'Alerts', section: 'Go to' },
  { keys: 'g i', command: 'go-inspections', label: 'Inspections', section: 'Go to' },
  { keys: 'g r', command: 'go-rules', label: 'Rules', section: 'Go to' },
  { keys: 'g t', command: 'go-tuning', label: 'Tuning', section: 'Go to' },
  { keys: 'g n', command: 'go-nodes', label: 'Nodes', section: 'Go to' },
  { keys: 'g s', command: 'go-settings', label: 'Settings', section: 'Go to' },
];

export const keysOf = (command: string): string => MAP.find((binding) => binding.command === command)?.keys ?? '';
