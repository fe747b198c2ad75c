/** What is common to all pages: the clock, messages, the open dialog, and who carries out a command. */
import { ApiError, explain } from './api/client';

class Clock {
  now = $state(Date.now());

  /** Ticks while the page is seen. */
  start(): () => void {
    const tick = () => {
      if (document.visibilityState === 'visible') this.now = Date.now();
    };
    const timer = setInterval(tick, 1000);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }
}
export const clock = new Clock();

export interface Toast {
  id: number;
  text: string;
  detail?: string;
  kind: 'done' | 'error';
  action?: { label: string; key?: string; run: () => void };
}

/** Messages stay this long; those that can be undone too. */
const TOAST_TIME = 10_000;
const MAX_TOASTS = 4;

class Toasts {
  list = $state.raw<Toast[]>([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  show(text: string, more: Partial<Omit<Toast, 'id' | 'text'>> = {}): number {
    const id = this.#next++;
    this.list = [...this.list, { id, text, kind: 'done' as const, ...more }].slice(-MAX_TOASTS);
    this.#expire(id);
    return id;
  }

  /** Says more in a message that is shown still, which then stays as long as a new one. Whether it was shown. */
  change(id: number, more: Partial<Omit<Toast, 'id'>>): boolean {
    if (!this.list.some((toast) => toast.id === id)) return false;
    this.list = this.list.map((toast) => (toast.id === id ? { ...toast, ...more } : toast));
    this.#expire(id);
    return true;
  }

  #expire(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.set(
      id,
      setTimeout(() => this.drop(id), TOAST_TIME),
    );
  }

  error(error: unknown): void {
    if (error instanceof ApiError && error.status === 401) return; // The sign-in form says it.
    const { title, detail } = explain(error);
    this.show(title, { detail, kind: 'error' });
  }

  drop(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
export const toasts = new Toasts();

/** At most one message for screen readers in this time. */
const SPEAK_EVERY = 5000;

class Announcer {
  text = $state('');
  #last = 0;
  #waiting: string | null = null;

  /** `soon`: an answer to what the reader just did is not held back. */
  say(text: string, soon = false): void {
    const now = Date.now();
    if (soon || (now - this.#last >= SPEAK_EVERY && this.#waiting === null)) {
      this.#last = now;
      this.text = text;
      return;
    }
    const first = this.#waiting === null;
    this.#waiting = text;
    if (!first) return;
    setTimeout(
      () => {
        this.#last = Date.now();
        this.text = this.#waiting ?? '';
        this.#waiting = null;
      },
      Math.max(0, SPEAK_EVERY - (now - this.#last)),
    );
  }
}
export const announcer = new Announcer();

/** Commands of the page that is shown; it takes them away when it goes. */
type Handlers = Record<string, () => void>;

class Commands {
  #stack: Handlers[] = [];

  register(handlers: Handlers): () => void {
    this.#stack.push(handlers);
    return () => {
      this.#stack = this.#stack.filter((known) => known !== handlers);
    };
  }

  /** The last one registered that knows it. */
  find(command: string): (() => void) | null {
    for (const handlers of [...this.#stack].reverse()) {
      const handler = handlers[command];
      if (handler) return handler;
    }
    return null;
  }

  run(command: string): boolean {
    const handler = this.find(command);
    handler?.();
    return handler !== null;
  }
}
export const commands = new Commands();

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show(`${what} copied`);
  } catch {
    toasts.show('The browser did not allow copying', { kind: 'error', detail: 'Select the text and copy it by hand.' });
  }
}
