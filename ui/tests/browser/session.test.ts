// Who may see and do what, and what the browser is told to refuse.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { variant, workload } from '../../dev/events.mjs';
import { Lab, alerts, rows, until } from './support';

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start();
  await lab.ingest(variant(lab.of(21562), { client: workload('scan', 'zap'), server: workload('shop', 'cart') }));
});
afterAll(() => lab?.stop());

const SECRET = 'Trojan check-in';
const failed = 'Failed to load resource';

test('without a token nothing is shown, with a wrong one neither, and the right one leads to where one wanted', async () => {
  const { page, close } = await lab.open('/rules?q=21562', { as: 'nobody' });
  const field = page.getByLabel('Access token');
  await field.waitFor();
  expect(await page.content()).not.toContain(SECRET);
  expect(await page.locator('main').count()).toBe(1);
  for (const [token, status] of [
    ['wrong', 401],
    // Agents hand events in and read nothing.
    [lab.manager.agent, 403],
  ] as const) {
    await field.fill(token);
    const [answer] = await Promise.all([page.waitForResponse('**/api/v1/session'), page.keyboard.press('Enter')]);
    expect(answer.status()).toBe(status);
    await page.getByRole('alert').waitFor();
    expect(await page.content()).not.toContain(SECRET);
  }
  await field.fill(lab.manager.admin);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Rules' }).waitFor();
  await page.getByText(SECRET).waitFor();
  expect(page.url()).toBe(`${lab.manager.url}/rules?q=21562`);
  await close(401, 403);
});

test('the API answers nobody, and agents only what is theirs', async () => {
  const status = async (path: string, init: RequestInit = {}) =>
    (await fetch(`${lab.manager.url}/api/v1/${path}`, { signal: AbortSignal.timeout(30_000), ...init })).status;
  const paths = ['groups', 'events', 'stats/facets?fields=severity', 'alerts/stream', 'tuning', 'audit', 'me', 'rules'];
  for (const path of paths) expect(await status(path), path).toBe(401);
  const agent = { headers: { authorization: `Bearer ${lab.manager.agent}` } };
  for (const path of paths.filter((path) => path !== 'me')) expect(await status(path, agent), path).toBe(403);
  expect(await status('groups', { headers: { cookie: 'tapir-00000000=00' } })).toBe(401);
});

test('a cookie alone changes nothing', async () => {
  const { page, context, close } = await lab.open(alerts('ns:shop'));
  await rows(page, 1);
  const [group] = await lab.groups('ns:shop');
  const data = { ids: [group?.id], action: 'acknowledge' };
  const act = async (headers: Record<string, string>) =>
    (await context.request.post('/api/v1/groups/actions', { data, headers })).status();
  expect(await act({})).toBe(403);
  expect(await act({ 'x-tapir-csrf': '0'.repeat(64) })).toBe(403);
  const form = await context.request.post('/api/v1/groups/actions', { form: { action: 'acknowledge' } });
  expect(form.status()).toBe(403);
  expect((await lab.groups('ns:shop'))[0]?.status).toBe('open');
  const { csrf } = (await (await context.request.get('/api/v1/me')).json()) as { csrf: string };
  expect(await act({ 'x-tapir-csrf': csrf })).toBe(200);
  expect((await lab.groups('ns:shop', 'all'))[0]?.status).toBe('acknowledged');
  await lab.ask('groups/actions', { ids: [group?.id], action: 'reopen' });
  const [cookie] = await context.cookies();
  expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
  // Another manager on this host has a cookie of its own.
  expect(cookie?.name).toMatch(/^tapir-[0-9a-f]{8}$/);
  expect(await page.evaluate(() => document.cookie)).toBe('');
  await close();
});

test('every answer forbids what the page does not need', async () => {
  const headers = async (path: string) =>
    Object.fromEntries((await fetch(lab.manager.url + path, { signal: AbortSignal.timeout(30_000) })).headers);
  for (const path of ['/', '/alerts', '/alerts/g/0000000000000000', '/no/such/page']) {
    const of = await headers(path);
    const policy = of['content-security-policy'] ?? '';
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      'trusted-types svelte-trusted-html',
    ])
      expect(policy, path).toContain(part);
    expect(policy, path).not.toMatch(/unsafe|https?:|\*/);
    expect(of['x-content-type-options'], path).toBe('nosniff');
    expect(of['referrer-policy'], path).toBe('no-referrer');
    expect(of['cross-origin-opener-policy'], path).toBe('same-origin');
  }
  const api = await headers('/api/v1/me');
  expect(api['x-content-type-options']).toBe('nosniff');
  expect(api['access-control-allow-origin']).toBeUndefined();
});

test('the browser itself refuses markup from text, inline scripts, and scripts from elsewhere', async () => {
  const { page, close } = await lab.open(alerts('ns:shop'));
  await rows(page, 1);
  const refused = await page.evaluate(async () => {
    const refuses = (act: () => unknown) => {
      try {
        act();
        return false;
      } catch (error) {
        return error instanceof TypeError || error instanceof EvalError;
      }
    };
    const script = document.createElement('script');
    // What the debugger evaluates itself may do this; what runs later may not.
    const evaluation = await new Promise<boolean>((done) =>
      // eslint-disable-next-line no-eval -- to see it refused
      setTimeout(() => done(refuses(() => globalThis.eval('1')))),
    );
    return {
      innerHTML: refuses(() => (document.createElement('p').innerHTML = '<b>x</b>')),
      write: refuses(() => document.write('<b>x</b>')),
      eval: evaluation,
      script: refuses(() => (script.textContent = 'globalThis.ran = 1')),
      source: refuses(() => (script.src = 'https://example.invalid/x.js')),
    };
  });
  expect(refused).toEqual({ innerHTML: true, write: true, eval: true, script: true, source: true });
  await close(/Trusted|Content Security Policy|trusted/i);
});

test('a session that ends elsewhere takes the data with it, and signing in again leads back', async () => {
  const { page, context, close } = await lab.open(alerts('ns:shop'), { as: 'another' });
  await rows(page, 1);
  await page.keyboard.press('j');
  await page.keyboard.press('o');
  await page.locator('.drawer h2', { hasText: SECRET }).waitFor();
  await page.locator('.link.live').waitFor();
  const { csrf } = (await (await context.request.get('/api/v1/me')).json()) as { csrf: string };
  const [cookie] = await context.cookies();
  expect((await context.request.delete('/api/v1/session', { headers: { 'x-tapir-csrf': csrf } })).status()).toBe(204);
  // The browser still has the cookie; the manager knows it no longer.
  if (cookie) await context.addCookies([cookie]);
  // Nobody touches anything: the live stream ends, and is not begun again.
  await page.getByRole('heading', { name: 'The session has ended' }).waitFor();
  const address = page.url();
  expect(await page.content()).not.toContain(SECRET);
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await page.content()).not.toContain(SECRET);
  await page.getByLabel('Access token').fill(lab.manager.admin);
  await page.keyboard.press('Enter');
  await page.locator('.drawer h2', { hasText: SECRET }).waitFor();
  expect(page.url()).toBe(address);
  await close(new RegExp(`${failed}.*401`));
});

test('signing out leaves nothing behind, and the next one sees the list as it is now', async () => {
  const { page, close } = await lab.open(alerts('ns:next'), { as: 'another' });
  await page.getByText('Nothing matches this search').waitFor();
  await page.goto(alerts('ns:shop'));
  await rows(page, 1);
  await page.getByRole('button', { name: 'Account and display' }).click();
  await page.getByRole('menuitem', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  expect(await page.content()).not.toContain(SECRET);
  await lab.ingest(variant(lab.of(3000002), { client: workload('scan', 'zap'), server: workload('shop', 'cart') }));
  await page.getByLabel('Access token').fill(lab.manager.admin);
  await page.keyboard.press('Enter');
  await rows(page, 2);
  await until(() => page.locator('[role=grid]').getAttribute('aria-rowcount'), '3');
  await close(401);
});
