/**
 * Calls of the manager's API.
 *
 * Every call resolves to the answer or throws an {@link ApiError}; nothing else leaves this module. A 401 is also told
 * to whoever set {@link onUnauthorised}, so that the sign-in form appears over the address that was asked for.
 */
import type * as T from './types';

const BASE = '/api/v1';

export class ApiError extends Error {
  constructor(
    readonly problem: T.Problem,
    /** The call, as `GET groups`, for people who must be asked for a permission. */
    readonly call: string,
    /** Seconds after which to try again, if the manager said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(problem.detail || problem.title);
    this.name = 'ApiError';
  }

  get status(): number {
    return this.problem.status;
  }

  /** It may go better by itself: the network, an overloaded manager, a restart. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

type Params = Record<string, string | number | boolean | null | undefined>;

let csrf: string | undefined;
let unauthorised: () => void = () => {};

export function setCsrf(value: string | undefined): void {
  csrf = value;
}

export function onUnauthorised(handler: () => void): void {
  unauthorised = handler;
}

/** `?a=b` of what is set; empty when nothing is. */
export function queryString(params: Params): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value != null && value !== '') out.set(key, String(value));
  }
  const text = out.toString();
  return text ? `?${text}` : '';
}

/** The problem that an answer tells, made up from its status line when it tells none. */
export async function problemOf(response: Response): Promise<T.Problem> {
  const fallback: T.Problem = { title: response.statusText || `Status ${response.status}`, status: response.status };
  if (!response.headers.get('content-type')?.includes('json')) return fallback;
  try {
    const body: unknown = await response.json();
    if (body && typeof body === 'object')
      return { ...fallback, ...(body as Partial<T.Problem>), status: response.status };
  } catch {
    // A cut or empty body tells nothing; the status line does.
  }
  return fallback;
}

async function send(
  method: string,
  path: string,
  body?: unknown,
  headers: HeadersInit = {},
  signal: AbortSignal | null = null,
): Promise<Response> {
  const call = `${method} ${path.split('?')[0]}`;
  const all = new Headers(headers);
  all.set('accept', 'application/json, application/problem+json');
  if (body !== undefined) all.set('content-type', 'application/json');
  if (method !== 'GET' && csrf) all.set('x-tapir-csrf', csrf);
  let response: Response;
  try {
    response = await fetch(`${BASE}/${path}`, {
      method,
      headers: all,
      credentials: 'same-origin',
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(
      { title: 'No answer from the manager', status: 0, detail: 'The manager cannot be reached.' },
      call,
    );
  }
  if (response.ok || response.status === 304) return response;
  if (response.status === 401 && path !== 'session') unauthorised();
  const after = Number(response.headers.get('retry-after'));
  throw new ApiError(await problemOf(response), call, Number.isFinite(after) && after > 0 ? after : null);
}

async function json<A>(
  method: string,
  path: string,
  body?: unknown,
  headers?: HeadersInit,
  signal?: AbortSignal,
): Promise<A> {
  const response = await send(method, path, body, headers, signal);
  if (response.status === 204) return undefined as A;
  return read(response, `${method} ${path}`);
}

async function read<A>(response: Response, call: string): Promise<A> {
  try {
    return (await response.json()) as A;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError({ title: 'The answer is not JSON', status: 502 }, call);
  }
}

/** `signal`: the manager ends the search when nobody waits for the answer any more. */
const get = <A>(path: string, params: Params = {}, signal?: AbortSignal) =>
  json<A>('GET', path + queryString(params), undefined, undefined, signal);
const id = encodeURIComponent;

export interface Range {
  from: string;
  to: string;
}

export interface ListParams extends Range {
  q?: string;
  status?: T.Status | 'all';
  cursor?: string | null;
  limit?: number;
}

export const api = {
  me: () => get<T.Me>('me'),
  signIn: (token: string) => json<{ csrf: string }>('POST', 'session', { token }),
  signOut: () => json<{ logout?: string } | undefined>('DELETE', 'session'),
  providers: () => get<{ items: T.Provider[] }>('session/providers'),

  groups: (p: ListParams & { by?: T.GroupBy; sort?: T.SortBy }, signal?: AbortSignal) =>
    get<T.GroupPage>('groups', { ...p }, signal),
  /** With the name of the answer. `known`: that of the one that one has; null when nothing has changed since. */
  groupsUnless: async (
    p: ListParams & { by?: T.GroupBy; sort?: T.SortBy },
    known: string | null,
    signal?: AbortSignal,
  ): Promise<{ page: T.GroupPage; etag: string | null } | null> => {
    const path = `groups${queryString({ ...p })}`;
    const response = await send('GET', path, undefined, known ? { 'if-none-match': known } : {}, signal);
    if (response.status === 304) return null;
    return { page: await read<T.GroupPage>(response, 'GET groups'), etag: response.headers.get('etag') };
  },
  group: (group: string) => get<T.GroupDetail>(`groups/${id(group)}`),
  groupEvents: (group: string, cursor?: string | null, limit = 50) =>
    get<T.Page<T.EventRow>>(`groups/${id(group)}/events`, { cursor, limit }),
  events: (p: ListParams, signal?: AbortSignal) => get<T.Page<T.EventRow>>('events', { ...p }, signal),
  event: (event: string) => get<T.EventDocument>(`events/${id(event)}`, { format: 'tapir' }),
  eventText: async (event: string, format: T.EventFormat) =>
    (await send('GET', `events/${id(event)}?format=${format}`)).text(),
  why: (event: string) => get<T.Why>(`events/${id(event)}/why`),
  related: (event: string) => get<T.Related>(`events/${id(event)}/related`),
  pcapAddress: (event: string) => `${BASE}/events/${id(event)}/pcap`,

  histogram: (p: Range & { q?: string; status?: string; buckets: number }, signal?: AbortSignal) =>
    get<T.Histogram>('stats/histogram', { ...p }, signal),
  facets: (p: Range & { q?: string; status?: string; fields: string }, signal?: AbortSignal) =>
    get<{ facets: T.Facet[] }>('stats/facets', { ...p }, signal),
  top: (p: Range & { q?: string; field: string; limit: number }) =>
    get<{ items: T.ValueCount[] }>('stats/top', { ...p }),
  counts: (p: Range & { q?: string }, signal?: AbortSignal) => get<T.Counts>('counts', { ...p }, signal),

  act: (request: T.ActionRequest) => json<T.ActionAnswer>('POST', 'groups/actions', request),
  undo: (token: string) => json<{ changed: number; groups: T.Group[] }>('POST', `undo/${id(token)}`),

  preview: (group: string, days = 30) => json<T.Preview>('POST', 'tuning/preview', { group, days }),
  tuning: () => get<T.Page<T.Suppression> | T.Suppression[]>('tuning').then(listed),
  suggestions: () => get<T.Suggestions>('tuning/suggestions'),
  quiet: (rule: T.NewSuppression) => json<T.Suppression>('POST', 'tuning', rule),
  changeTuning: (rule: T.Suppression, change: Partial<T.NewSuppression>) =>
    json<T.Suppression>('PATCH', `tuning/${id(rule.id)}`, change, ifMatch(rule.version)),
  dropTuning: (rule: { id: string; version?: number }) =>
    json<void>('DELETE', `tuning/${id(rule.id)}`, undefined, ifMatch(rule.version)),
  oneTuning: (rule: string) => get<T.Suppression>(`tuning/${id(rule)}`),
  exceptions: () => get<T.Page<T.AlertException> | T.AlertException[]>('exceptions').then(listed),
  dropException: (exception: string) => json<void>('DELETE', `exceptions/${id(exception)}`),

  fields: () => get<{ fields: T.Field[] }>('fields'),
  fieldValues: (field: string, prefix: string, signal?: AbortSignal) =>
    get<{ values: T.ValueCount[] }>(`fields/${id(field)}/values`, { prefix }, signal),
  checkQuery: (q: string) => json<{ ok: true; canonical: string }>('POST', 'query/check', { q }),

  inspections: () => get<{ items: T.InspectionRow[] }>('inspections'),
  nodes: () => get<T.Nodes>('nodes'),
  blindSpots: (p: Range) => get<T.BlindSpots>('blind-spots', { ...p }),
  rules: (q: string, sort: T.RuleSort, cursor?: string | null) =>
    get<T.Page<T.RuleRow> & { total: number | { count: number; exact: boolean } }>('rules', { q, sort, cursor }),
  rule: (gid: number, sid: number) => get<T.RuleDetail>(`rules/${gid}-${sid}`),
  sinks: () => get<{ items: T.SinkRow[] }>('sinks'),
  audit: (cursor?: string | null) => get<T.Page<T.AuditEntry>>('audit', { cursor }),
  views: () => get<T.View[]>('views'),
  saveViews: (views: T.View[]) => json<T.View[]>('PUT', 'views', views),

  streamAddress: (p: { q?: string; status?: string; after?: string | null }) =>
    `${BASE}/alerts/stream${queryString(p)}`,
};

function ifMatch(version: number | undefined): HeadersInit {
  return version === undefined ? {} : { 'if-match': `"${version}"` };
}

/** A list comes bare or as `{items}`; both are fine. */
function listed<A>(answer: T.Page<A> | A[]): A[] {
  return Array.isArray(answer) ? answer : answer.items;
}

/** What to tell people about an error, with what they can do. */
export function explain(error: unknown): { title: string; detail: string } {
  if (!(error instanceof ApiError)) {
    return {
      title: 'Something in the page went wrong',
      detail: error instanceof Error ? error.message : String(error),
    };
  }
  const { problem } = error;
  switch (problem.status) {
    case 0:
      return { title: 'The manager does not answer', detail: 'It may be restarting, or the network is down.' };
    case 401:
      return { title: 'Not signed in', detail: 'The session has ended. Sign in again to go on where you were.' };
    case 403:
      return {
        title: 'Not permitted',
        detail: problem.detail || `Your account lacks the permission for ${error.call}. Ask whoever runs Tapir for it.`,
      };
    case 404:
      return { title: 'Not found', detail: problem.detail || 'It may have been removed by retention.' };
    case 409:
    case 412:
      return {
        title: 'Somebody else was faster',
        detail: problem.detail || 'It changed meanwhile. Look again, then repeat.',
      };
    case 503:
      return {
        title: 'The store is slow',
        detail: problem.detail || 'The answer took too long. Narrow the time range or the query.',
      };
    default:
      return { title: problem.title, detail: problem.detail ?? '' };
  }
}
