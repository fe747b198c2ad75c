// What an attacker may have written, wherever it comes to the page: shown as text, and nothing else.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Event, heartbeat, lengthen, variant } from '../../dev/events.mjs';
import { type GroupRow, Lab, ROWS, rows } from './support';

/** Markup, a script's address, a template, and characters that hide or turn others round. */
const MARKUP = `"'><img src=x onerror="globalThis.ran=1"><svg onload=globalThis.ran=1><script>globalThis.ran=1</script>`;
const HIDDEN = '\u202Egpj.exe\u2066\u200B\u0000\u0007\u001B[31m\u2028\u00AD\u{E0041}';
const nasty = (name: string) => `${name} ${MARKUP} {{globalThis.ran=1}} javascript:globalThis.ran=1 ${HIDDEN}`;
/** Names are shorter. */
const name = (what: string) => `${what}<img/src=x>\u202E${HIDDEN.slice(0, 1)}\u200B`;

/** Characters that must never reach the page as themselves. */
const FORBIDDEN =
  '[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b-\\u200f\\u202a-\\u202e\\u2028\\u2029\\u2060-\\u206f\\u00ad\\u{e0000}-\\u{e007f}]';

let lab: Lab;
let http: Event;
beforeAll(async () => {
  lab = await Lab.start();
  http = variant(lab.of(21562), { node: name('node') });
  http.rule.msg = nasty('message');
  Object.assign(http.rule, { class: nasty('class'), classtype: name('classtype'), place: nasty('place') });
  http.rule.text = http.rule.text.replace('msg:"TAPIR', `msg:"${HIDDEN} <script>globalThis.ran=1</script>`);
  http.rule.metadata = [
    ['mitre_technique_id', name('T1')],
    [name('key'), nasty('value')],
  ];
  http.rule.references = [
    ['url', 'x', 'javascript:globalThis.ran=1'],
    ['url', 'y', 'data:text/html,<script>globalThis.ran=1</script>'],
    [name('scheme'), nasty('id'), null],
  ];
  for (const side of ['client', 'server'] as const)
    http[side] = {
      namespace: name(`${side}-namespace`),
      pod: nasty(`${side}-pod`),
      owner_kind: name('kind'),
      owner_name: name(`${side}-owner`),
      labels: { [name('label')]: nasty('label') },
    };
  http.inspection = { namespace: name('dpi'), name: name('dpi') };
  http.service = name('service');
  http.interface = nasty('interface');
  http.session = {
    http: {
      method: name('METHOD'),
      uri: nasty('/uri'),
      host: nasty('host'),
      user_agent: `${nasty('agent')} ${'long '.repeat(2000)}`,
      referer: 'javascript:globalThis.ran=1',
      content_type: nasty('type'),
      version: name('1.1'),
    },
    dns: { name: nasty('dns'), id: 1 },
    tls: { sni: nasty('sni'), version: name('tls') },
  };
  // Bytes that are no UTF-8, bytes that are markup, and NULs behind what matched.
  lengthen(http, 'http_client_body', Buffer.from([0, 0, 0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80, 0x0d, 0x1b]));
  lengthen(http, 'http_client_body', Buffer.from(`${MARKUP}\u202E`));
  const plain = variant(lab.of(3000107), {});
  plain.rule.msg = '<b>only markup</b>';
  await lab.ingest(http, plain);
  const told = (count: number) => ({
    node: `node<img src=x onerror=globalThis.ran=1>\u202E`,
    version: nasty('version'),
    rule_set: name('set'),
    drops: { [name('reason')]: 3 + count },
    interfaces: [nasty('interface')],
    flows: { [nasty('interface')]: 9 },
    unseen: [
      { interface: nasty('interface'), reason: nasty('why'), service: nasty('service'), unit: nasty('unit'), count },
    ],
    inspections: [
      {
        namespace: name('dpi'),
        name: name('dpi'),
        selector: nasty('selector'),
        conditions: [{ type: name('Ready'), status: 'False', reason: name('reason'), message: nasty('message') }],
      },
    ],
    sinks: [{ name: name('sink'), kind: name('kind'), state: nasty('state'), last_error: nasty('error') }],
  });
  // The first says from where on the second counts.
  await heartbeat(lab.manager, told(0));
  await heartbeat(lab.manager, told(4));
});
afterAll(() => lab?.stop());

/** No script ran, no element was made of text, and no character hides or turns. */
async function inert(page: Page): Promise<void> {
  const found = await page.evaluate((forbidden) => {
    const out: string[] = [];
    if ('ran' in globalThis) out.push('a script ran');
    const made =
      'img, iframe, object, embed, script:not([src^="/assets/"]), [onerror], [onload], [onclick], [src="x"], base, meta[http-equiv]';
    for (const element of document.querySelectorAll(made)) out.push(`an element: ${element.outerHTML.slice(0, 200)}`);
    for (const link of document.querySelectorAll('a[href], form[action], use[href]')) {
      const address = link.getAttribute('href') ?? link.getAttribute('action') ?? '';
      if (!/^(\/|#|https?:)/.test(address)) out.push(`a link: ${address.slice(0, 100)}`);
    }
    const hidden = new RegExp(forbidden, 'u');
    const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node instanceof Text && hidden.test(node.data)) out.push(`text: ${JSON.stringify(node.data.slice(0, 120))}`);
      if (node instanceof Element)
        // Of attributes those that somebody reads or hears.
        for (const attribute of ['title', 'alt', 'placeholder', 'aria-label', 'aria-description', 'aria-valuetext']) {
          const value = node.getAttribute(attribute) ?? '';
          if (hidden.test(value)) out.push(`${node.localName}[${attribute}]: ${JSON.stringify(value.slice(0, 120))}`);
        }
    }
    if (hidden.test(document.title)) out.push('the title');
    return out;
  }, FORBIDDEN);
  expect(found).toEqual([]);
}

test('in the list, as groups and as single alerts, and in the facets', async () => {
  const { page, close } = await lab.open('/alerts');
  await rows(page, 2);
  await page.locator('.facets section').first().waitFor();
  const row = await page.locator(ROWS, { hasText: 'message' }).textContent();
  expect(row).toContain('<script>globalThis.ran=1</script>');
  expect(row).toContain('⟨U+202E⟩gpj.exe⟨U+2066⟩⟨U+200B⟩⟨U+0000⟩⟨U+0007⟩⟨U+001B⟩[31m⟨U+2028⟩⟨U+00AD⟩⟨U+E0041⟩');
  expect(await page.locator(ROWS, { hasText: '<b>only markup</b>' }).locator('b').count()).toBe(0);
  await inert(page);
  await page.goto('/alerts?view=events');
  await rows(page, 2);
  await inert(page);
  await close();
});

test('in every tab of the drawer', async () => {
  const { page, close } = await lab.open('/alerts');
  await rows(page, 2);
  await page.locator(ROWS, { hasText: 'message' }).click();
  await page.locator('.drawer .options .option').first().waitFor();
  await inert(page);

  await page.keyboard.press('2');
  const body = page.locator('figure.bytes', { has: page.locator('figcaption code:text-is("http_client_body")') });
  await body.waitFor();
  const text = (await body.locator('.lines').textContent()) ?? '';
  expect(text).toContain('␀␀\\xff\\xfe\\xc3(\\xed\\xa0\\x80␍␛');
  expect(text).toContain('onerror');
  expect(text).toContain('\\xe2\\x80\\xae');
  await inert(page);
  await body.getByRole('button', { name: 'Hex' }).click();
  await body.locator('.hex').first().waitFor();
  expect(await body.locator('.lines').textContent()).toContain('00 00 ff fe');
  await inert(page);

  await page.keyboard.press('3');
  await page.locator('.drawer dl').first().waitFor();
  const session = (await page.locator('.drawer').textContent()) ?? '';
  for (const what of ['/uri', 'host', 'agent', 'type', 'dns', 'sni', 'client-pod', 'server-pod', 'interface'])
    expect(session).toContain(`${what} ${MARKUP}`);
  await inert(page);

  await page.keyboard.press('4');
  await page.locator('.drawer h3', { hasText: 'Same flow' }).waitFor();
  await inert(page);

  await page.keyboard.press('5');
  await page.locator('.drawer pre').first().waitFor();
  await inert(page);

  await page.keyboard.press('6');
  for (const format of ['Calico', 'EVE', 'ECS', 'OCSF', 'Tapir', 'CEF', 'Fast']) {
    await page.getByRole('button', { name: format, exact: true }).click();
    await page.locator(`.drawer pre[aria-label="The event as ${format.toLowerCase()}"]`).waitFor();
    await inert(page);
  }
  await close();
});

test('on a page of its own, at the width of a telephone', async () => {
  const [group] = (await lab.groups('sid:21562')) as [GroupRow];
  const { page, close } = await lab.open(`/alerts/g/${group.id}?tab=session`, { width: 400 });
  await page.locator('.drawer dl').first().waitFor();
  await inert(page);
  // However long a text is, it is broken: nothing is wider than the window.
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
  await close();
});

test('in "quiet this", and on the page of tuning', async () => {
  const { page, close } = await lab.open('/alerts');
  await rows(page, 2);
  await page.locator(ROWS, { hasText: 'message' }).click();
  await page.locator('.drawer .options .option').first().waitFor();
  await page.keyboard.press('q');
  await page.locator('#reason').waitFor();
  await page.getByText('As YAML').click();
  await inert(page);
  await page.locator('#reason').fill(nasty('reason'));
  await page.keyboard.press('Enter');
  await page.getByText('Quiet from now on').first().waitFor();
  await page.goto('/tuning');
  await page.locator('td', { hasText: 'reason' }).first().waitFor();
  await inert(page);
  await page.getByRole('button', { name: 'Details' }).click();
  await page.getByRole('dialog').locator('pre').waitFor();
  await inert(page);
  await close();
});

test('in comments, names of people, and history', async () => {
  const { page, close } = await lab.open('/alerts');
  const [group] = (await lab.groups('sid:3000107')) as [GroupRow];
  await lab.ask('groups/actions', { ids: [group.id], action: 'comment', comment: nasty('comment') });
  await lab.ask('groups/actions', { ids: [group.id], action: 'assign', assignee: name('ana') });
  await page.goto(`/alerts/g/${group.id}`);
  await page.locator('.comment', { hasText: 'comment' }).waitFor();
  await page.locator('.history li').first().waitFor();
  await inert(page);
  await page.goto('/settings');
  await page.locator('td', { hasText: 'assign' }).first().waitFor();
  await inert(page);
  await close();
});

test('on the pages of nodes, inspections, sinks, and the overview', async () => {
  const { page, close } = await lab.open('/nodes');
  await page.locator('td', { hasText: 'version' }).waitFor();
  await inert(page);
  await page.locator('td a').first().click();
  await page.getByRole('heading', { name: 'Interfaces' }).waitFor();
  await inert(page);
  await page.goto('/inspections');
  await page.locator('td', { hasText: 'selector' }).waitFor();
  await inert(page);
  await page.locator('tr', { hasText: 'selector' }).locator('td a').first().click();
  await page.locator('h1', { hasText: 'dpi' }).waitFor();
  await page.locator('td', { hasText: 'selector' }).waitFor();
  await inert(page);
  await page.goto('/settings');
  await page.locator('td', { hasText: 'error' }).first().waitFor();
  await inert(page);
  await page.goto('/blind-spots');
  await page.locator('td', { hasText: 'why' }).first().waitFor();
  await inert(page);
  await page.goto('/');
  await page.locator('.list a', { hasText: 'owner' }).first().waitFor();
  await page.locator('.list a', { hasText: 'Sink' }).waitFor();
  await inert(page);
  await close();
});

test('in an address that somebody was sent', async () => {
  const q = encodeURIComponent(`msg:"${MARKUP}${HIDDEN}"`.replaceAll(/["./]/g, ''));
  const { page, close } = await lab.open(`/alerts?q=${q}&from=javascript:globalThis.ran=1&sel=${q}&tab=${q}`);
  await page.locator('.empty, .problem').first().waitFor();
  // The field of the search holds what the address says; all else shows what it is.
  await inert(page);
  for (const path of [`/nodes/${q}`, `/inspections/${q}/${q}`, `/rules?q=${q}`, `/${q}`]) {
    await page.goto(path);
    await page.locator('main h1').waitFor();
    await inert(page);
  }
  await close(400);
});

test('bytes that are no JSON are refused by the manager, line by line', async () => {
  const good = JSON.stringify(variant(lab.of(3000021), {}));
  const lines = [
    Buffer.from('{"id":"n-1-1","rule":{"sid":1,"msg":"'),
    Buffer.from([0xff, 0xfe]),
    Buffer.from(`"}}\n{"id":"n-1-2","rule":{"sid":1,"msg":"\\ud800"}}\n${good}`),
  ];
  const response = await fetch(`${lab.manager.url}/api/v1/ingest`, {
    method: 'POST',
    headers: { authorization: `Bearer ${lab.manager.agent}`, 'content-type': 'application/x-ndjson' },
    body: Buffer.concat(lines),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = (await response.json()) as { stored: number; rejected: { line: number }[] };
  expect([response.status, answer.stored, answer.rejected.map(({ line }) => line)]).toEqual([200, 1, [1, 2]]);
});
