/**
 * Addresses of the pages, as pure functions: an address becomes a {@link Route} and back.
 *
 * The address is the state of the Alerts page. Everything that two people must see alike is in it; what is taste
 * (density, theme, columns) is not.
 */
import type { GroupBy, SortBy, Status } from './api/types';

export type PageName =
  | 'overview'
  | 'alerts'
  | 'inspections'
  | 'inspection'
  | 'rules'
  | 'rule'
  | 'tuning'
  | 'nodes'
  | 'node'
  | 'blind-spots'
  | 'settings'
  | 'missing';

export interface Place {
  page: PageName;
  /** Parts of the path: group or event id, namespace, name, … */
  params: Record<string, string>;
}

const PATHS: readonly [RegExp, PageName, readonly string[]][] = [
  [/^\/$/, 'overview', []],
  [/^\/alerts$/, 'alerts', []],
  [/^\/alerts\/g\/([^/]+)$/, 'alerts', ['group']],
  [/^\/alerts\/e\/([^/]+)$/, 'alerts', ['event']],
  [/^\/inspections$/, 'inspections', []],
  [/^\/inspections\/([^/]*)\/([^/]+)$/, 'inspection', ['namespace', 'name']],
  [/^\/rules$/, 'rules', []],
  [/^\/rules\/(\d+)-(\d+)$/, 'rule', ['gid', 'sid']],
  [/^\/tuning$/, 'tuning', []],
  [/^\/nodes$/, 'nodes', []],
  [/^\/nodes\/([^/]+)$/, 'node', ['name']],
  [/^\/blind-spots$/, 'blind-spots', []],
  [/^\/settings$/, 'settings', []],
];

export function placeOf(path: string): Place {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, '') : path;
  for (const [pattern, page, names] of PATHS) {
    const found = pattern.exec(trimmed);
    if (!found) continue;
    const params: Record<string, string> = {};
    for (const [index, name] of names.entries()) params[name] = decode(found[index + 1] ?? '');
    return { page, params };
  }
  return { page: 'missing', params: {} };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type DrawerTab = 'why' | 'payload' | 'session' | 'related' | 'rule' | 'raw';
export const TABS: readonly DrawerTab[] = ['why', 'payload', 'session', 'related', 'rule', 'raw'];

export interface AlertsState {
  q: string;
  /** `now-24h` or RFC 3339. */
  from: string;
  to: string;
  status: Status | 'all';
  group: GroupBy;
  sort: SortBy;
  view: 'groups' | 'events';
  /** Id of the row that has the focus; empty for none. */
  sel: string;
  tab: DrawerTab;
  live: boolean;
}

export const DEFAULTS: Readonly<AlertsState> = {
  q: '',
  from: 'now-24h',
  to: 'now',
  status: 'open',
  group: 'sig_pair',
  sort: 'last_seen',
  view: 'groups',
  sel: '',
  tab: 'why',
  live: true,
};

const CHOICES = {
  status: ['open', 'escalated', 'acknowledged', 'dismissed', 'all'],
  group: ['sig_pair', 'sig', 'workload', 'source', 'none'],
  sort: ['last_seen', 'severity', 'count', 'first_seen'],
  view: ['groups', 'events'],
  tab: TABS,
} as const;

/** The longest query that the manager takes; a longer address is not worth reading. */
const MAX_QUERY = 4096;

/** What the search part of an address says; what it does not say, or says wrongly, is the default. */
export function readAlerts(search: string): AlertsState {
  const params = new URLSearchParams(search);
  const choice = <K extends keyof typeof CHOICES>(key: K): AlertsState[K] => {
    const value = params.get(key);
    return ((CHOICES[key] as readonly string[]).includes(value ?? '') ? value : DEFAULTS[key]) as AlertsState[K];
  };
  const time = (key: 'from' | 'to') => {
    const value = params.get(key);
    return value && isTime(value) ? value : DEFAULTS[key];
  };
  return {
    q: (params.get('q') ?? '').slice(0, MAX_QUERY),
    from: time('from'),
    to: time('to'),
    status: choice('status'),
    group: choice('group'),
    sort: choice('sort'),
    view: choice('view'),
    sel: (params.get('sel') ?? '').slice(0, 300),
    tab: choice('tab'),
    live: params.get('live') !== '0',
  };
}

export function isTime(text: string): boolean {
  return /^now(-\d{1,6}[smhdw])?$/.test(text) || (/^\d{4}-\d\d-\d\dT/.test(text) && Number.isFinite(Date.parse(text)));
}

/** The search part that says this, without what is the default, always in the same order. */
export function writeAlerts(state: AlertsState): string {
  const params = new URLSearchParams();
  for (const key of Object.keys(DEFAULTS) as (keyof AlertsState)[]) {
    if (state[key] === DEFAULTS[key]) continue;
    params.set(key, key === 'live' ? (state.live ? '1' : '0') : String(state[key]));
  }
  const text = params.toString();
  return text ? `?${text}` : '';
}

/** The same list of alerts: then the list need not be loaded anew. */
export function sameList(a: AlertsState, b: AlertsState): boolean {
  return (['q', 'from', 'to', 'status', 'group', 'sort', 'view'] as const).every((key) => a[key] === b[key]);
}

export const groupPath = (group: string) => `/alerts/g/${encodeURIComponent(group)}`;
export const eventPath = (event: string) => `/alerts/e/${encodeURIComponent(event)}`;
export const inspectionPath = (namespace: string, name: string) =>
  `/inspections/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
/** Of `namespace/name`. No namespace of Kubernetes has a stroke in it, so the first one parts them. */
export const inspectionPathOf = (both: string) => {
  const stroke = both.indexOf('/');
  return inspectionPath(both.slice(0, Math.max(stroke, 0)), both.slice(stroke + 1));
};
export const rulePath = (gid: number, sid: number) => `/rules/${gid}-${sid}`;

/** A stored address, if it is one of ours; else the alerts. Somebody else may have stored it. */
export const safePath = (address: string): string =>
  /^\/(?![/\\])/.test(address) && !address.startsWith('/api/') ? address : '/alerts';
