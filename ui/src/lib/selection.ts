/**
 * Which rows are selected: some by id, or all that the query matches.
 *
 * A value: every function returns a new one.
 */
export interface Selection {
  ids: ReadonlySet<string>;
  /** Everything that matches, loaded or not; then `ids` are those taken out of it. */
  all: boolean;
  /** Where a range begins. */
  anchor: string | null;
}

export const NONE: Selection = { ids: new Set(), all: false, anchor: null };
export const ALL: Selection = { ids: new Set(), all: true, anchor: null };

export const has = (selection: Selection, id: string): boolean => selection.ids.has(id) !== selection.all;

export const isEmpty = (selection: Selection): boolean => !selection.all && selection.ids.size === 0;

export function toggle(selection: Selection, id: string): Selection {
  const ids = new Set(selection.ids);
  if (!ids.delete(id)) ids.add(id);
  return { ids, all: selection.all, anchor: id };
}

/** Selects from the anchor to `id` in the order of `rows`; without an anchor, `id` alone. */
export function extend(selection: Selection, id: string, rows: readonly string[]): Selection {
  const to = rows.indexOf(id);
  const from = selection.anchor === null ? to : rows.indexOf(selection.anchor);
  if (to < 0) return selection;
  const start = Math.min(from < 0 ? to : from, to);
  const end = Math.max(from < 0 ? to : from, to);
  const ids = new Set(selection.ids);
  for (const row of rows.slice(start, end + 1)) {
    if (selection.all) ids.delete(row);
    else ids.add(row);
  }
  return { ids, all: selection.all, anchor: selection.anchor ?? id };
}

/** How many, if `total` rows match. */
export const size = (selection: Selection, total: number): number =>
  selection.all ? Math.max(total - selection.ids.size, 0) : selection.ids.size;

/** Without rows that went away. */
export function without(selection: Selection, gone: Iterable<string>): Selection {
  if (selection.all) return selection;
  const ids = new Set(selection.ids);
  for (const id of gone) ids.delete(id);
  return ids.size === selection.ids.size ? selection : { ...selection, ids };
}
