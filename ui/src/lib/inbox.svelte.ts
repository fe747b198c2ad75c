/**
 * The list of the Alerts page: a window over pages that the manager gives one after another.
 *
 * Cursors of pages that went by are kept, rows of at most {@link MAX_LOADED} pages are; a page that was let go is asked
 * for again when it comes into view. Rows never move under the reader: what the stream brings that is not in the list,
 * or belongs higher up, waits in {@link Inbox.pending}.
 */
import { ApiError, api } from './api/client';
import type { ActionName, Counts, EventRow, Group, GroupPage, Reason } from './api/types';
import { announcer, toasts } from './app.svelte';
import { withRange } from './counted';
import { applied, moved, resultOf, stays, told } from './optimistic';
import { quoted, withTerm } from './query';
import { type AlertsState, DEFAULTS, sameList } from './route';
import { NONE, type Selection, has, isEmpty, size, without } from './selection';
import { spanOf } from './time';

export type Row = Group | EventRow;
export const isGroup = (row: Row): row is Group => 'shapes' in row;
export const groupOf = (row: Row): string => (isGroup(row) ? row.id : row.group);

interface Slot {
  cursor: string | null;
  rows: readonly Row[] | null;
  length: number;
}

/** The first page, and under which name the manager gave it. */
interface First {
  page: { items: Row[]; next: string | null; total?: GroupPage['total']; partial?: boolean; change?: number };
  etag: string | null;
}

interface Snapshot {
  slots: readonly Slot[];
  next: string | null;
  total: { count: number; exact: boolean };
  at: number;
  list: AlertsState;
  change: string | null;
}

export const PAGE = 100;
export const MAX_LOADED = 20;
/** A list of this many rows needs a better question, and browsers cut taller boxes. */
export const MAX_ROWS = 500_000;
const MAX_PENDING = 1000;
/** Lists that come back with the back button as they were left. */
const MAX_SNAPSHOTS = 5;
const SNAPSHOT_AGE = 5 * 60_000;

export class Inbox {
  list: AlertsState = { ...DEFAULTS };
  slots = $state.raw<readonly Slot[]>([]);
  next = $state.raw<string | null>(null);
  total = $state.raw<{ count: number; exact: boolean }>({ count: 0, exact: true });
  counts = $state.raw<Counts | null>(null);
  state = $state<'idle' | 'loading' | 'ready' | 'failed'>('idle');
  error = $state.raw<unknown>(null);
  /** The list from its top is asked for. */
  asking = $state(false);
  /** The manager answered, but not about everything. */
  partial = $state(false);
  loadedAt = $state(0);
  /** Count of changes that the list knows of: a stream goes on from here. */
  change: string | null = null;
  pending = $state.raw<ReadonlyMap<string, Group>>(new Map());
  /** Rows that the list's question finds no more; they go when nobody reads the list. */
  leaving = $state.raw<ReadonlySet<string>>(new Set());
  selection = $state.raw<Selection>(NONE);
  focus = $state<string | null>(null);

  /** First row of every slot, and the number of all. */
  starts = $derived.by(() => {
    const out = [0];
    for (const slot of this.slots) out.push((out.at(-1) ?? 0) + slot.length);
    return out;
  });
  length = $derived(this.starts.at(-1) ?? 0);
  /** As {@link list}, for who wants to be told of another: nobody draws rows by it before they are there. */
  #list = $state.raw<AlertsState>(this.list);
  done = $derived(this.next === null || this.length >= MAX_ROWS);

  #generation = 0;
  #loading: Promise<void> = Promise.resolve();
  #asked = new Set<number>();
  /** Ends what is asked of the list that was wanted before. */
  #calls = new AbortController();
  #snapshots: Snapshot[] = [];
  /** Name of the answer that is shown, if nothing has changed it since. */
  #etag: string | null = null;

  /** What else the page wants to know of a list waits until its rows are there, so that they come first. */
  waits(list: AlertsState): boolean {
    return this.asking || this.state === 'idle' || !sameList(list, this.#list);
  }

  /** Shows another list; the same one is left alone. */
  show(list: AlertsState, force = false): void {
    if (!force && this.state !== 'idle' && sameList(list, this.list)) {
      this.list = list;
      return;
    }
    this.#keep();
    this.list = list;
    this.#list = list;
    this.selection = NONE;
    this.pending = new Map();
    this.leaving = new Set();
    const known = force
      ? undefined
      : this.#snapshots.find((one) => sameList(one.list, list) && Date.now() - one.at < SNAPSHOT_AGE);
    if (known) {
      this.#turn();
      this.slots = known.slots;
      this.next = known.next;
      this.total = known.total;
      this.change = known.change;
      this.#etag = null;
      this.state = 'ready';
      this.asking = false;
      this.error = null;
      void this.recount();
      return;
    }
    void this.reload();
  }

  #keep(): void {
    if (this.state !== 'ready') return;
    const list = this.list;
    this.#snapshots = [
      { slots: this.slots, next: this.next, total: this.total, at: Date.now(), list, change: this.change },
      ...this.#snapshots.filter((one) => !sameList(one.list, list)),
    ].slice(0, MAX_SNAPSHOTS);
  }

  /** From here on another list is wanted, or the same one anew. */
  #turn(): number {
    this.#calls.abort();
    this.#calls = new AbortController();
    this.#asked.clear();
    return (this.#generation += 1);
  }

  #ask(
    cursor: string | null,
  ): Promise<{ items: Row[]; next: string | null; total?: { count: number; exact: boolean }; partial?: boolean }> {
    const { q, from, to, status, view } = this.list;
    return view === 'events'
      ? api.events({ q, from, to, status, cursor, limit: PAGE }, this.#calls.signal)
      : api.groups(this.#groups(cursor), this.#calls.signal);
  }

  /** As if nothing had ever been asked. */
  forget(): void {
    this.#turn();
    this.#snapshots = [];
    this.slots = [];
    this.next = null;
    this.total = { count: 0, exact: true };
    this.counts = null;
    this.state = 'idle';
    this.asking = false;
    this.error = null;
    this.partial = false;
    this.loadedAt = 0;
    this.change = null;
    this.#etag = null;
    this.pending = new Map();
    this.leaving = new Set();
    this.selection = NONE;
    this.focus = null;
    this.undoable = null;
  }

  /** From the top. What is shown stays until the answer is there. */
  reload(): Promise<void> {
    return (this.#loading = this.#load());
  }

  /** Done when what is shown is what was last asked for, or the asking has failed. */
  get answered(): Promise<void> {
    return this.#loading;
  }

  /** As {@link reload}, if anything has changed since; asked again and again while nobody tells. */
  async look(): Promise<void> {
    const known = this.#etag;
    if (known === null || this.state !== 'ready') return this.reload();
    const generation = this.#generation;
    try {
      const answer = await api.groupsUnless(this.#groups(null), known, this.#calls.signal);
      if (generation !== this.#generation) return;
      if (answer !== null) return (this.#loading = this.#load(answer));
      this.loadedAt = Date.now();
    } catch {
      if (generation === this.#generation) return this.reload();
    }
  }

  #groups(cursor: string | null): Parameters<typeof api.groupsUnless>[0] {
    const { q, from, to, status, group, sort } = this.list;
    return { q, from, to, status, cursor, limit: PAGE, by: group, sort };
  }

  async #first(): Promise<First> {
    if (this.list.view === 'events') return { page: await this.#ask(null), etag: null };
    const answer = await api.groupsUnless(this.#groups(null), null, this.#calls.signal);
    return answer ?? { page: { items: [], next: null }, etag: null };
  }

  async #load(given?: First): Promise<void> {
    const generation = this.#turn();
    this.state = this.slots.length > 0 && this.error === null ? 'ready' : 'loading';
    this.asking = given === undefined;
    try {
      const { page, etag } = given ?? (await this.#first());
      if (generation !== this.#generation) return;
      this.change = page.change === undefined ? null : String(page.change);
      this.#etag = etag;
      this.slots = [{ cursor: null, rows: page.items, length: page.items.length }];
      this.next = page.next;
      this.total = page.total ?? { count: page.items.length, exact: page.next === null };
      this.partial = page.partial ?? false;
      this.pending = new Map();
      this.leaving = new Set();
      this.selection = this.selection.all ? this.selection : NONE;
      this.loadedAt = Date.now();
      this.state = 'ready';
      this.error = null;
    } catch (error) {
      if (generation !== this.#generation) return;
      this.error = error;
      const query = error instanceof ApiError && error.status === 400;
      if (this.loadedAt === 0 || query) this.slots = [];
      this.state = 'failed';
    }
    this.asking = false;
    await this.recount();
  }

  async recount(): Promise<void> {
    const { q, from, to } = this.list;
    const generation = this.#generation;
    try {
      const counts = await api.counts({ q, from, to }, this.#calls.signal);
      if (generation === this.#generation) this.counts = counts;
    } catch {
      // The list says what is wrong.
    }
  }

  #slotOf(index: number): number {
    let low = 0;
    let high = this.slots.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  at(index: number): Row | null {
    if (index < 0 || index >= this.length) return null;
    const slot = this.#slotOf(index);
    return this.slots[slot]?.rows?.[index - (this.starts[slot] ?? 0)] ?? null;
  }

  indexOf(id: string | null): number {
    if (id === null) return -1;
    for (const [number, slot] of this.slots.entries()) {
      const at = slot.rows?.findIndex((row) => row.id === id) ?? -1;
      if (at >= 0) return (this.starts[number] ?? 0) + at;
    }
    return -1;
  }

  row(id: string | null): Row | null {
    return this.at(this.indexOf(id));
  }

  *loaded(): Generator<Row> {
    for (const slot of this.slots) if (slot.rows) yield* slot.rows;
  }

  /** Tells which rows are seen: their pages are fetched, far ones let go. */
  ensure(first: number, last: number): void {
    if (this.state !== 'ready' || this.slots.length === 0) return;
    for (
      let slot = this.#slotOf(Math.max(0, first));
      slot <= this.#slotOf(Math.min(last, this.length - 1));
      slot += 1
    ) {
      if (this.slots[slot]?.rows === null) void this.#fetch(slot);
    }
    if (last >= this.length - PAGE / 2 && !this.done) void this.#fetch(this.slots.length);
    this.#release(this.#slotOf(Math.floor((first + last) / 2)));
  }

  async #fetch(slot: number): Promise<void> {
    if (this.#asked.has(slot)) return;
    this.#asked.add(slot);
    const generation = this.#generation;
    const frontier = slot === this.slots.length;
    const cursor = frontier ? this.next : (this.slots[slot]?.cursor ?? null);
    try {
      const page = await this.#ask(cursor);
      if (generation !== this.#generation) return;
      const known = new Set<string>();
      for (const row of this.loaded()) known.add(row.id);
      const rows = page.items.filter((row) => !known.has(row.id));
      const slots = [...this.slots];
      slots[slot] = { cursor, rows, length: rows.length };
      this.slots = slots;
      if (frontier) this.next = page.next;
      if (page.next === null && frontier) this.total = { count: this.length, exact: true };
    } catch (error) {
      if (generation === this.#generation) toasts.error(error);
    } finally {
      if (generation === this.#generation) setTimeout(() => this.#asked.delete(slot), 0);
    }
  }

  #release(around: number): void {
    const held = this.slots.flatMap((slot, number) => (slot.rows ? [number] : []));
    if (held.length <= MAX_LOADED) return;
    held.sort((a, b) => Math.abs(b - around) - Math.abs(a - around));
    const drop = new Set(held.slice(0, held.length - MAX_LOADED));
    this.slots = this.slots.map((slot, number) => (drop.has(number) ? { ...slot, rows: null } : slot));
  }

  #change(rows: ReadonlyMap<string, Row | null>): void {
    this.#etag = null;
    this.slots = this.slots.map((slot) => {
      if (!slot.rows?.some((row) => rows.has(row.id))) return slot;
      const next: Row[] = [];
      for (const row of slot.rows) {
        const changed = rows.get(row.id);
        if (changed === undefined) next.push(row);
        else if (changed !== null) next.push(this.#ranged(changed, row));
      }
      return { ...slot, rows: next, length: next.length };
    });
  }

  /** With its count in the range of the list, as far as that is known. */
  #ranged(row: Row, known: Row | null): Row {
    if (!isGroup(row)) return row;
    const { from, to } = this.list;
    return withRange(row, known && isGroup(known) ? known : null, spanOf(from, to, Date.now()), to === 'now');
  }

  /** Puts rows that belong to the list, and are not in it, where its order has them. */
  #insert(rows: readonly Row[]): void {
    const known = new Set<string>();
    for (const row of this.loaded()) known.add(row.id);
    const { sort, status, view } = this.list;
    const before = view === 'events' ? BEFORE.last_seen : BEFORE[sort];
    let added = 0;
    for (const row of rows) {
      if (known.has(row.id) || (isGroup(row) && !stays(row, status))) continue;
      const after = this.slots.findIndex((slot) => slot.rows?.some((other) => before(row, other)));
      const number = after < 0 ? this.slots.findLastIndex((slot) => slot.rows !== null) : after;
      const slot = this.slots[number] ?? { cursor: null, rows: [], length: 0 };
      const list = [...(slot.rows ?? [])];
      const place = list.findIndex((other) => before(row, other));
      list.splice(place < 0 ? list.length : place, 0, row);
      const changed = { ...slot, rows: list, length: list.length };
      this.slots = number < 0 ? [changed] : this.slots.map((one, at) => (at === number ? changed : one));
      added += 1;
    }
    if (this.total.exact) this.total = { count: this.total.count + added, exact: true };
  }

  /**
   * Rows of the stream, and ids of those that the list's question finds no more. `calm`: nobody reads or points at the
   * list, which is at its top.
   */
  arrive(rows: readonly Group[], gone: readonly string[], calm: boolean): void {
    if (this.state !== 'ready' || this.list.view === 'events' || this.list.group !== 'sig_pair') return;
    const pending = new Map(this.pending);
    const leaving = new Set(this.leaving);
    const inPlace = new Map<string, Row | null>();
    const shown = new Map<string, Row>();
    for (const row of this.loaded()) shown.set(row.id, row);
    for (const row of rows) {
      const known = shown.get(row.id);
      leaving.delete(row.id);
      if (known && isGroup(known)) {
        if (row.version < known.version) continue;
        inPlace.set(row.id, row);
        if (this.list.sort === 'last_seen' && row.count > known.count && this.indexOf(row.id) > 0)
          pending.set(row.id, row);
      } else if (stays(row, this.list.status)) {
        pending.set(row.id, row);
      }
    }
    for (const id of gone) {
      pending.delete(id);
      if (shown.has(id)) leaving.add(id);
    }
    if (inPlace.size > 0) this.#change(inPlace);
    while (pending.size > MAX_PENDING) pending.delete(pending.keys().next().value ?? '');
    if (pending.size > 0 || this.pending.size > 0) this.pending = pending;
    if (leaving.size > 0 || this.leaving.size > 0) this.leaving = leaving;
    if (calm) this.settle();
  }

  /** Nobody reads the list: what waited comes, what left goes. */
  settle(): void {
    if (this.leaving.size > 0) {
      const before = this.length;
      this.#change(new Map([...this.leaving].map((id) => [id, null])));
      this.leaving = new Set();
      const total = this.total.count - (before - this.length);
      if (this.total.exact) this.total = { count: Math.max(0, total), exact: true };
    }
    if (this.pending.size > 0) this.takePending();
  }

  /** What changed while nobody was told: the first page, as if the stream had brought it. */
  async catchUp(calm: () => boolean): Promise<void> {
    await this.#loading;
    const generation = this.#generation;
    if (this.list.view === 'events') return;
    try {
      const page = await this.#ask(null);
      if (generation !== this.#generation) return;
      // What this page should hold and does not, is gone.
      const found = new Set(page.items.map((row) => row.id));
      const last = page.next === null ? undefined : page.items.at(-1);
      const gone = [...this.loaded()].filter(
        (row) => !found.has(row.id) && (last === undefined || BEFORE[this.list.sort](row, last)),
      );
      this.arrive(
        page.items.filter(isGroup),
        gone.map((row) => row.id),
        calm(),
      );
    } catch {
      // The list says what is wrong when it is asked again.
    }
  }

  /** Puts what waited to its place at the top. */
  takePending(): void {
    const top = this.slots[0];
    const fresh = [...this.pending.values()].filter((row) => stays(row, this.list.status));
    this.pending = new Map();
    if (!top?.rows || fresh.length === 0) return;
    if (this.list.sort !== 'last_seen' || top.rows.length + fresh.length > 3 * PAGE) {
      void this.reload();
      return;
    }
    const ids = new Map<string, null>(fresh.map((row) => [row.id, null]));
    // A group of many alerts was among the rows not loaded yet: it only moves.
    const born = fresh.filter((row) => row.count === 1 && this.indexOf(row.id) < 0).length;
    const ranged = fresh.map((row) => this.#ranged(row, this.row(row.id)));
    this.#change(ids);
    const rows = [...ranged, ...(this.slots[0]?.rows ?? [])].sort((a, b) => lastSeen(b).localeCompare(lastSeen(a)));
    this.slots = [{ ...top, rows, length: rows.length }, ...this.slots.slice(1)];
    if (this.total.exact) this.total = { count: this.total.count + born, exact: true };
  }

  /** What actions are about: the selection, else the row with the focus. */
  get targets(): { count: number; rows: Row[] } {
    if (!isEmpty(this.selection)) {
      const rows = [...this.loaded()].filter((row) => has(this.selection, row.id));
      return { count: size(this.selection, this.total.count), rows };
    }
    const row = this.row(this.focus);
    return { count: row ? 1 : 0, rows: row ? [row] : [] };
  }

  /** Does it at once, and takes it back if the manager refuses. */
  async act(
    action: ActionName,
    more: { reason?: Reason; comment?: string; assignee?: string; until?: string } = {},
    only?: { group: string },
  ): Promise<boolean> {
    const selection = this.selection;
    const { list } = this;
    const targets = only ? this.#only(only.group) : this.targets;
    if (!only && targets.count === 0) return false;
    const request = only ? { ids: [only.group], action, ...more } : { ...this.#addressed(targets), action, ...more };

    const before = { slots: this.slots, counts: this.counts, total: this.total, generation: this.#generation };
    const groups = targets.rows.filter(isGroup);
    const status = resultOf(action);
    const change = new Map<string, Row | null>();
    for (const row of targets.rows) {
      const next = isGroup(row) ? applied(row, { action, ...more }) : { ...row, status: status ?? row.status };
      change.set(row.id, stays(next, list.status) ? next : null);
    }
    const after = this.#afterFocus(change);
    this.#change(change);
    const gone = [...change.values()].filter((row) => row === null).length;
    if (status && this.counts) this.counts = moved(this.counts, groups, status);
    if (gone > 0) this.total = { ...this.total, count: Math.max(0, this.total.count - gone) };
    this.focus = after;
    this.selection = only ? without(selection, [only.group]) : NONE;

    try {
      const answer = await api.act(request);
      if (this.#generation === before.generation) {
        const rows = new Map<string, Row | null>();
        for (const group of answer.groups) rows.set(group.id, stays(group, list.status) ? group : null);
        this.#change(rows);
      }
      void this.recount();
      if (selection.all && !only) void this.reload();
      const text = told(action, answer.changed);
      const token = answer.undo;
      if (token) {
        this.undoable = { token, removed: targets.rows, generation: this.#generation };
        toasts.show(text, { action: { label: 'Undo', key: 'u', run: () => void this.undo() } });
      } else {
        toasts.show(text);
      }
      announcer.say(token ? `${text}. Press u to undo.` : text, true);
      return true;
    } catch (error) {
      if (this.#generation === before.generation) {
        this.slots = before.slots;
        this.counts = before.counts;
        this.total = before.total;
        this.selection = selection;
      }
      if (error instanceof ApiError && error.status === 409 && error.problem.count !== undefined) {
        toasts.show('The list has changed', {
          kind: 'error',
          detail: `It would now be ${error.problem.count.toLocaleString('en')} groups. Nothing was done; look again.`,
        });
        void this.reload();
      } else {
        toasts.error(error);
      }
      return false;
    }
  }

  undoable = $state.raw<{ token: string; removed: readonly Row[]; generation: number } | null>(null);

  async undo(): Promise<void> {
    const what = this.undoable;
    if (!what) {
      announcer.say('Nothing to undo', true);
      return;
    }
    this.undoable = null;
    try {
      const answer = await api.undo(what.token);
      if (what.generation === this.#generation) {
        const now = new Map(answer.groups.map((group) => [group.id, group]));
        this.#change(now);
        // What came meanwhile stays; the rows go back to their places among it.
        this.#insert(what.removed.map((row) => this.#ranged(now.get(row.id) ?? row, row)));
      } else {
        void this.reload();
      }
      void this.recount();
      toasts.list = toasts.list.filter((toast) => toast.action?.label !== 'Undo');
      toasts.show(`Undone for ${answer.changed === 1 ? '1 group' : `${answer.changed.toLocaleString('en')} groups`}`);
      announcer.say('Undone', true);
    } catch (error) {
      toasts.error(error);
    }
  }

  #only(group: string): { count: number; rows: Row[] } {
    return { count: 1, rows: [...this.loaded()].filter((row) => groupOf(row) === group) };
  }

  /** Where the focus goes when its row goes: the next one that stays, else the one before. */
  #afterFocus(change: ReadonlyMap<string, Row | null>): string | null {
    if (this.focus === null || change.get(this.focus) !== null) return this.focus;
    const index = this.indexOf(this.focus);
    for (let at = index + 1; at < this.length; at += 1) {
      const row = this.at(at);
      if (!row) break;
      if (change.get(row.id) !== null) return row.id;
    }
    for (let at = index - 1; at >= 0; at -= 1) {
      const row = this.at(at);
      if (row && change.get(row.id) !== null) return row.id;
    }
    return null;
  }

  #addressed(targets: { count: number; rows: Row[] }): {
    ids?: string[];
    query?: string;
    from?: string;
    to?: string;
    status?: AlertsState['status'];
    expected_count?: number;
  } {
    const { q, from, to, status, group, view } = this.list;
    if (this.selection.all) {
      let query = q;
      for (const id of this.selection.ids) query = withTerm(query, `-group:${id}`);
      return { query, from, to, status, expected_count: targets.count };
    }
    if (view === 'groups' && group !== 'sig_pair' && group !== 'none') {
      const parts = targets.rows.filter(isGroup).map((row) => drillTerm(row, group));
      return {
        query: withTerm(q, parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(' OR ')})`),
        from,
        to,
        status,
      };
    }
    return { ids: [...new Set(targets.rows.map(groupOf))] };
  }
}

const lastSeen = (row: Row): string => (isGroup(row) ? row.last_seen : row.time);

/** Whether one row comes before another, by order of the list. */
const BEFORE: Record<AlertsState['sort'], (one: Row, other: Row) => boolean> = {
  last_seen: (one, other) => lastSeen(one) > lastSeen(other),
  severity: (one, other) =>
    one.severity !== other.severity ? one.severity > other.severity : lastSeen(one) > lastSeen(other),
  count: (one, other) => isGroup(one) && isGroup(other) && one.count > other.count,
  first_seen: (one, other) => isGroup(one) && isGroup(other) && one.first_seen > other.first_seen,
};

/** The term that says what a row of a coarser grouping stands for. */
export function drillTerm(row: Group, by: AlertsState['group']): string {
  if (by === 'sig') return `sid:${row.sid}`;
  const party = by === 'source' ? row.client : row.server;
  if (party.namespace) return `${by === 'source' ? 'client' : 'workload'}:${quoted(party.display)}`;
  return `${by === 'source' ? 'client_ip' : 'ip'}:${quoted(party.display)}`;
}

export const inbox = new Inbox();
