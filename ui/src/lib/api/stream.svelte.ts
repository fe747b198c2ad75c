/**
 * The live stream (server-sent events).
 *
 * The browser's own reconnection gives up after an HTTP error; this one does not, and says how long it has been cut off.
 * While it is, whoever listens is asked to poll.
 */
import { api } from './client';
import type { Counts, Group, Health } from './types';

export interface Listener {
  /** Groups that are new or changed, and ids of those that the question finds no more. */
  rows(rows: Group[], gone: string[]): void;
  /** The stream has begun from now on, since nobody knew from when: what was asked before may be older. */
  begun(): void;
  /** The listener has been told all up to here. */
  at?(change: string): void;
  counts(counts: Partial<Counts>): void;
  reset(): void;
  /** Called every {@link POLL} while the stream is cut off, and at once when the manager refuses it. */
  poll(): void;
}

const POLL = 15_000;
const LONGEST_WAIT = 30_000;

export class Stream {
  state = $state<'off' | 'connecting' | 'live' | 'lost'>('off');
  lostAt = $state(0);
  health = $state.raw<Health | null>(null);

  #source: EventSource | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #poller: ReturnType<typeof setInterval> | undefined;
  #after: string | null = null;
  #attempts = 0;

  /** Opens, with what has changed after a count of changes; call what it returns to close. */
  open(params: { q?: string; status?: string }, listener: Listener, after: string | null = null): () => void {
    this.#after = after;
    this.#attempts = 0;
    this.#connect(params, listener);
    return () => {
      this.#source?.close();
      this.#source = null;
      clearTimeout(this.#timer);
      clearInterval(this.#poller);
      this.state = 'off';
    };
  }

  #connect(params: { q?: string; status?: string }, listener: Listener): void {
    this.state = this.state === 'lost' ? 'lost' : 'connecting';
    const source = new EventSource(api.streamAddress({ ...params, after: this.#after }));
    this.#source = source;
    const on = <A>(name: string, handle: (data: A) => void) =>
      source.addEventListener(name, (event) => {
        try {
          handle(JSON.parse(event.data) as A);
        } catch {
          // A message that is no JSON is not worth losing the stream for.
        }
        if (!event.lastEventId) return;
        this.#after = event.lastEventId;
        listener.at?.(event.lastEventId);
      });
    source.addEventListener('open', () => {
      this.state = 'live';
      this.#attempts = 0;
      clearInterval(this.#poller);
      this.#poller = undefined;
      if (this.#after === null) listener.begun();
    });
    on<{ rows?: Group[]; gone?: string[] }>('group', (data) => listener.rows(data.rows ?? [], data.gone ?? []));
    on<Partial<Counts>>('count', (data) => listener.counts(data));
    on<Health>('health', (data) => (this.health = data));
    source.addEventListener('reset', () => {
      this.#after = null;
      listener.reset();
    });
    source.addEventListener('error', () => {
      // The browser gives up by itself on an answer that is no stream: the session may have ended.
      const refused = source.readyState === EventSource.CLOSED;
      source.close();
      if (this.#source !== source) return;
      if (this.state !== 'lost') this.lostAt = Date.now();
      this.state = 'lost';
      this.#poller ??= setInterval(() => listener.poll(), POLL);
      if (refused) listener.poll();
      const wait = Math.min(1000 * 2 ** this.#attempts, LONGEST_WAIT) * (0.75 + Math.random() / 2);
      this.#attempts += 1;
      this.#timer = setTimeout(() => this.#connect(params, listener), wait);
    });
  }
}

export const stream = new Stream();
