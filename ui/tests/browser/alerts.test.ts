// What an analyst does, with a real browser.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { URL_, open, rows, start, stop } from './support';

const first = '[role=grid] [role=row][id^="row-"]';

describe.skipIf(!URL_)('alerts', () => {
  beforeAll(start);
  afterAll(stop);

  test('the strict policy is in force and nothing breaks it', async () => {
    const { page, complaints, close } = await open('/alerts');
    const response = await page.request.get(`${URL_}/alerts`);
    const policy = response.headers()['content-security-policy'] ?? '';
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    await rows(page);
    await page.locator(first).first().click();
    for (const key of ['2', '3', '4', '5', '6']) {
      await page.keyboard.press(key);
      await page.waitForTimeout(400);
    }
    await page.keyboard.press('q');
    await page.waitForTimeout(700);
    await page.keyboard.press('Escape');
    expect(complaints).toEqual([]);
    await close();
  });

  test('no request leaves the manager', async () => {
    const { page, close } = await open('/');
    const outside: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(URL_) && !request.url().startsWith('blob:')) outside.push(request.url());
    });
    for (const path of ['/alerts', '/rules', '/nodes', '/settings']) {
      await page.goto(URL_ + path);
      await page.waitForTimeout(600);
    }
    expect(outside).toEqual([]);
    await close();
  });

  test('from the list to the payload in three keys, without leaving the page', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.keyboard.press('2');
    await page.locator('figure.bytes').first().waitFor();
    expect(new URL(page.url()).pathname).toMatch(/^\/alerts\/[ge]\//);
    await close();
  });

  test('the focus comes back to the row when the drawer closes', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    const id = await page.evaluate(() => document.activeElement?.id);
    await page.keyboard.press('Enter');
    await page.locator('.drawer h2').waitFor();
    await page.locator('.drawer [role=tab]').nth(1).focus();
    await page.keyboard.press('Escape');
    await page.waitForTimeout(200);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(id);
    expect(new URL(page.url()).pathname).toBe('/alerts');
    await close();
  });

  test('dismissing takes two keys, is shown at once, and can be undone', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('j');
    const id = (await page.evaluate(() => document.activeElement?.id)) ?? '';
    expect(id).toMatch(/^row-/);
    await page.keyboard.press('e');
    await page.getByRole('dialog').waitFor();
    const start_ = Date.now();
    await page.keyboard.press('1');
    await page.locator(`#${id}`).waitFor({ state: 'detached' });
    expect(Date.now() - start_).toBeLessThan(1000);
    await page.getByText('Dismissed 1 group').first().waitFor();
    await page.waitForTimeout(300);
    expect(await page.evaluate(() => document.activeElement?.id)).toMatch(/^row-/);
    await page.keyboard.press('u');
    await page.locator(`#${id}`).waitFor();
    await close();
  });

  test('back and forward give the list and its place again', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    const grid = page.locator('[role=grid]');
    await grid.evaluate((element) => (element.scrollTop = 2000));
    await page.waitForTimeout(400);
    await page.locator('nav[aria-label="Status"] a').nth(3).click();
    await page.waitForTimeout(600);
    expect(page.url()).toContain('status=dismissed');
    await page.goBack();
    await page.waitForTimeout(600);
    expect(page.url()).not.toContain('status=');
    expect(await grid.evaluate((element) => element.scrollTop)).toBe(2000);
    await close();
  });

  test('letters do nothing while one types', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('/');
    await page.keyboard.type('equals');
    expect(await page.getByRole('dialog').count()).toBe(0);
    expect(await page.locator('#query').inputValue()).toBe('equals');
    await close();
  });

  test('an unknown field is shown with its place and repaired with one click', async () => {
    const { page, close } = await open('/alerts?q=severty%3E%3Dhigh');
    await page.getByRole('alert').waitFor();
    expect(await page.locator('.wrong').textContent()).toBe('severty');
    await page.getByRole('button', { name: /Use severity/ }).click();
    await page.waitForTimeout(500);
    expect(new URL(page.url()).searchParams.get('q')).toBe('severity>=high');
    await close();
  });

  test('no attribute or markup comes from text: hostile text is text', async () => {
    const { page, close } = await open('/alerts?status=all&from=now-90d');
    await rows(page);
    let alerted = false;
    page.on('dialog', () => (alerted = true));
    for (let row = 0; row < 8; row += 1) {
      await page.keyboard.press('j');
      await page.keyboard.press('o');
      await page.waitForTimeout(250);
    }
    expect(alerted).toBe(false);
    expect(await page.evaluate(() => document.querySelectorAll('main img, main script, main iframe').length)).toBe(0);
    const text = await page.evaluate(() => document.querySelector('main')?.textContent ?? '');
    expect(/[\u202a-\u202e\u2066-\u2069\u200b]/.test(text)).toBe(false);
    await close();
  });

  test('at 320 px nothing is cut off sideways', async () => {
    for (const path of ['/alerts', '/', '/inspections', '/rules', '/tuning', '/nodes', '/settings']) {
      const { page, close } = await open(path, { viewport: { width: 320, height: 700 } });
      await page.waitForTimeout(700);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(wide, path).toBeLessThanOrEqual(320);
      await close();
    }
  });

  test('a long list keeps few rows in the document', async () => {
    const { page, close } = await open('/alerts?status=all&from=now-90d');
    await rows(page);
    const grid = page.locator('[role=grid]');
    for (let step = 0; step < 30; step += 1) {
      await grid.evaluate((element) => (element.scrollTop += 5000));
      await page.waitForTimeout(60);
    }
    expect(await page.locator(first).count()).toBeLessThan(80);
    await close();
  });

  test('quieting the narrowest scope: a key, a reason, Enter; then how many nodes have it, and undo', async () => {
    const { page, complaints, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('j');
    await page.keyboard.press('q');
    await page.locator('#reason').waitFor();
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('reason');
    expect(await page.locator('input[name=scope]').first().isChecked()).toBe(true);
    await page.keyboard.type('browser test');
    await page.keyboard.press('Enter');
    await page
      .getByText(/^Active on \d+\/\d+ nodes/)
      .first()
      .waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('No longer quiet').waitFor();
    expect(complaints).toEqual([]);
    await close();
  });

  test('a wide scope with shapes that nobody opened needs a yes', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.keyboard.press('j');
    await page.keyboard.press('q');
    await page.locator('#reason').fill('browser test');
    await page.locator('label.scope').last().click();
    const send = page.locator('[role=dialog] button.main');
    if ((await page.locator('.risk').count()) > 0) {
      expect(await send.isDisabled()).toBe(true);
      await page.getByLabel('I understand').check();
    }
    expect(await send.isDisabled()).toBe(false);
    await page.keyboard.press('Escape');
    await close();
  });

  test('the histogram has a brush for the keyboard and a table', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    await page.locator('.plot').focus();
    await page.waitForTimeout(500);
    for (const key of ['ArrowLeft', 'ArrowLeft', 'Shift+ArrowRight', 'Enter']) await page.keyboard.press(key);
    await page.waitForTimeout(400);
    expect(new URL(page.url()).searchParams.get('from')).toMatch(/^\d{4}-\d\d-\d\dT/);
    await page.goBack();
    await page.getByRole('button', { name: 'Table' }).click();
    await page.getByRole('region', { name: 'Alerts over time, table' }).waitFor();
    await close();
  });

  test('all that match can be selected, and ranges', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    for (const key of ['j', 'x', 'j', 'j', 'Shift+x']) await page.keyboard.press(key);
    await page.getByText('3 selected').waitFor();
    expect(await page.locator('[role=row][aria-selected=true]').count()).toBe(3);
    await page.keyboard.press('*');
    await page.keyboard.press('a');
    await page.getByText('all that match').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('[role=row][aria-selected=true]').count()).toBe(0);
    await close();
  });

  test('an address opened directly is a page of its own', async () => {
    const { page, close } = await open('/alerts');
    await rows(page);
    const id = ((await page.locator(first).first().getAttribute('id')) ?? '').slice(4);
    await page.goto(`${URL_}/alerts/g/${id}`);
    await page.locator('.drawer.full h2').waitFor();
    expect(await page.locator('[role=grid]').count()).toBe(0);
    await page.getByRole('link', { name: 'Show in the list' }).click();
    await rows(page);
    await close();
  });

  test.skipIf(!process.env.TAPIR_TOKEN)('signing in leads to the address that was asked for', async () => {
    const { page, close } = await open('/alerts');
    await page.context().clearCookies();
    await page.goto(`${URL_}/rules?q=passwd`);
    await page.getByLabel('Access token').fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Access token').fill(process.env.TAPIR_TOKEN ?? '');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Rules' }).waitFor();
    expect(page.url()).toBe(`${URL_}/rules?q=passwd`);
    await close();
  });
});
