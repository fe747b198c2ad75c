import { afterEach, expect, test, vi } from 'vitest';
import { ApiError, api, explain, onUnauthorised, queryString, setCsrf } from './client';

const answer = (
  status: number,
  body: unknown,
  type = 'application/problem+json',
  headers: Record<string, string> = {},
) =>
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response(JSON.stringify(body), { status, headers: { 'content-type': type, ...headers } })),
  );

afterEach(() => {
  vi.unstubAllGlobals();
  setCsrf(undefined);
});

const caught = async (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => error as ApiError,
  );

test('parameters that are not set are left out, others are escaped', () => {
  expect(queryString({ q: 'a&b', cursor: null, limit: 5, empty: '' })).toBe('?q=a%26b&limit=5');
  expect(queryString({})).toBe('');
});

test('problem details become an error with their place', async () => {
  answer(400, { title: 'Bad query', detail: 'unknown field', offset: 3, length: 2, suggestion: 'sid' });
  const error = await caught(api.counts({ from: 'now-1h', to: 'now' }));
  expect(error).toBeInstanceOf(ApiError);
  expect(error?.problem).toMatchObject({ status: 400, offset: 3, length: 2, suggestion: 'sid' });
});

test('an ended session is told, a wrong token at sign-in is not', async () => {
  const told = vi.fn();
  onUnauthorised(told);
  answer(401, { title: 'Unauthorized' });
  await caught(api.signIn('nonsense'));
  expect(told).not.toHaveBeenCalled();
  await caught(api.nodes());
  expect(told).toHaveBeenCalledOnce();
});

test('changes carry the token against forgery, reads do not', async () => {
  answer(200, { changed: 1, groups: [], undo: null, undo_until: null }, 'application/json');
  setCsrf('c0ffee');
  await api.act({ ids: ['x'], action: 'acknowledge' });
  await api.nodes();
  const headers = vi.mocked(fetch).mock.calls.map(([, init]) => (init?.headers as Headers).get('x-tapir-csrf'));
  expect(headers).toEqual(['c0ffee', null]);
});

test('no answer, and answers that are no JSON, are errors too', async () => {
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => {
      throw new TypeError('failed');
    }),
  );
  expect((await caught(api.nodes()))?.passing).toBe(true);
  vi.stubGlobal(
    'fetch',
    vi.fn(async () => new Response('<html>', { status: 200, headers: { 'content-type': 'text/html' } })),
  );
  expect((await caught(api.nodes()))?.status).toBe(502);
});

test('a slow store says when to come back', async () => {
  answer(503, { title: 'Slow' }, 'application/problem+json', { 'retry-after': '7' });
  expect((await caught(api.nodes()))?.retryAfter).toBe(7);
});

test('a refusal names the call', () => {
  const error = new ApiError({ title: 'Forbidden', status: 403 }, 'POST groups/actions');
  expect(explain(error).detail).toContain('POST groups/actions');
});
