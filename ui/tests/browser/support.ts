// A real Chromium, and a real manager for each file of tests: the binary that TAPIR_BINARY names, with a store of its own.
import { type Browser, type BrowserContext, type Page, chromium } from 'playwright-core';
import { expect } from 'vitest';
import { type Event, demonstration, ingest } from '../../dev/events.mjs';
import { type Manager, startManager } from '../../dev/manager.mjs';

export const BINARY = process.env.TAPIR_BINARY ?? '';
if (!BINARY) throw new Error('TAPIR_BINARY is not set; tests/browser/run.sh BINARY sets it');

/** Milliseconds until what should come is missed: a machine that does much else is slow. */
export const PATIENCE = 30_000;

/** Rows of the list. */
export const ROWS = '[role=grid] [role=row][id^="row-"]';

export interface Opened {
  page: Page;
  context: BrowserContext;
  /** Closes it. Whatever the browser complained of is a failure, but for answers with these statuses, or such texts. */
  close: (...expected: (number | RegExp)[]) => Promise<void>;
}

/** Grouped row of the API, as far as tests look at it. */
export interface GroupRow {
  id: string;
  sid: number;
  msg: string;
  count: number;
  suppressed: number;
  status: string;
  client: { display: string };
  server: { display: string };
}

export class Lab {
  #browser: Browser;
  /** Signed in once; its windows find scripts in its cache. */
  #usual: Promise<BrowserContext> | null = null;

  private constructor(
    readonly manager: Manager,
    /** The demonstration's alert by this rule. */
    readonly of: (sid: number) => Event,
    browser: Browser,
  ) {
    this.#browser = browser;
  }

  /** `args`: of the manager. */
  static async start(args: string[] = []): Promise<Lab> {
    const of = demonstration(BINARY);
    const pages = process.env.TAPIR_PAGES;
    const manager = await startManager(BINARY, pages ? { pages, args } : { args });
    try {
      const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        chromiumSandbox: process.getuid?.() !== 0 && process.env.CHROMIUM_SANDBOX !== '0',
      });
      return new Lab(manager, of, browser);
    } catch (error) {
      await manager.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#browser.close();
    await this.manager.stop();
  }

  async #context(): Promise<BrowserContext> {
    const context = await this.#browser.newContext({
      viewport: { width: 1400, height: 880 },
      reducedMotion: 'reduce',
      baseURL: this.manager.url,
      timezoneId: 'Europe/Berlin',
    });
    context.setDefaultTimeout(PATIENCE);
    // A complaint without its place is a riddle.
    await context.addInitScript(() => {
      const { warn } = console;
      console.warn = (...told: unknown[]) => warn(...told, new Error().stack);
    });
    return context;
  }

  async #signIn(context: BrowserContext, token = this.manager.admin): Promise<BrowserContext> {
    const answer = await context.request.post('/api/v1/session', { data: { token } });
    expect(answer.status()).toBe(200);
    return context;
  }

  /** A window at this address. `as`: somebody else than the rest of the tests, whose token may be given, or nobody. */
  async open(
    path: string,
    options: { as?: 'nobody' | 'another' | { token: string }; width?: number; height?: number } = {},
  ): Promise<Opened> {
    const own = options.as !== undefined;
    const context = own
      ? await this.#context()
      : await (this.#usual ??= this.#context().then((one) => this.#signIn(one)));
    if (options.as === 'another') await this.#signIn(context);
    else if (typeof options.as === 'object') await this.#signIn(context, options.as.token);
    const page = await context.newPage();
    if (options.width) await page.setViewportSize({ width: options.width, height: options.height ?? 860 });
    const complaints: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('dialog', (dialog) => {
      complaints.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(`${this.manager.url}/`) && !request.url().startsWith('blob:'))
        complaints.push(`a request to elsewhere: ${request.url()}`);
    });
    await page.goto(path);
    return {
      page,
      context,
      close: async (...expected) => {
        const told = (text: string) =>
          !expected.some((one) =>
            typeof one === 'number' ? text.includes(`responded with a status of ${one}`) : one.test(text),
          );
        // What somebody likes is kept in the browser: the next test finds none of it.
        await page.evaluate(() => localStorage.clear());
        await (own ? context : page).close();
        expect(complaints.filter(told)).toEqual([]);
      },
    };
  }

  ingest(...events: Event[]): Promise<void> {
    return ingest(this.manager, events);
  }

  /** Asks the API beside the page, as a program does. */
  async ask<A>(path: string, body?: unknown): Promise<A> {
    const response = await fetch(`${this.manager.url}/api/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${this.manager.admin}`, 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as A;
  }

  /** Groups that the API finds, in every state if `status` is `all`. */
  async groups(q: string, status = 'open'): Promise<GroupRow[]> {
    const page = await this.ask<{ items: GroupRow[] }>(`groups?q=${encodeURIComponent(q)}&status=${status}`);
    return page.items;
  }
}

/** The address of the list with this query. */
export const alerts = (q: string, more = ''): string => `/alerts?q=${encodeURIComponent(q)}${more}`;

/** Waits until the list has so many rows. */
export async function rows(page: Page, count?: number): Promise<void> {
  await page.locator(ROWS).first().waitFor();
  if (count !== undefined) await until(() => page.locator(ROWS).count(), count);
}

/** Waits until something is so. */
export const until = <A>(look: () => A | Promise<A>, wanted: A): Promise<void> =>
  expect.poll(look, { timeout: PATIENCE, interval: 40 }).toEqual(wanted);

/** Waits until something holds. */
export const holds = (look: () => boolean | Promise<boolean>): Promise<void> => until(look, true);

/** Id of the element with the focus. */
export const focus = (page: Page): Promise<string> => page.evaluate(() => document.activeElement?.id ?? '');

/** A part of the address' search. */
export const param = (page: Page, name: string): string | null => new URL(page.url()).searchParams.get(name);
