/**
 * The router: the address bar as reactive state, and moving about with back and forward as people expect.
 *
 * Each entry of the history carries a key; where its page was scrolled to and what had the focus is kept under that
 * key, and given back when the entry comes back.
 */
import { DEFAULTS, type AlertsState, placeOf, readAlerts, writeAlerts } from './route';

interface Kept {
  scroll: Record<string, number>;
  focus: string | null;
}

/** Entries remembered; older ones open at their top. */
const MAX_KEPT = 100;

let counter = 0;
const newKey = () => `${Date.now().toString(36)}-${(counter++).toString(36)}`;

class Router {
  path = $state(location.pathname);
  search = $state(location.search);
  /** Set when this entry was reached by back or forward: what to give back. */
  restored = $state.raw<Kept | null>(null);
  place = $derived(placeOf(this.path));
  alerts = $derived(readAlerts(this.search));
  /** The drawer's address was the first one opened: draw it as a page of its own. */
  direct = $state(/^\/alerts\/[ge]\//.test(location.pathname));

  #kept = new Map<string, Kept>();
  #key: string;

  constructor() {
    const known = (history.state as { key?: string } | null)?.key;
    this.#key = known ?? newKey();
    if (!known) history.replaceState({ key: this.#key }, '');
    // The page scrolls inside of its own boxes; the browser's restoration would fight with ours.
    history.scrollRestoration = 'manual';
    addEventListener('popstate', (event) => {
      this.#keep();
      this.#key = (event.state as { key?: string } | null)?.key ?? newKey();
      this.direct = false;
      this.restored = this.#kept.get(this.#key) ?? null;
      this.#read();
    });
  }

  #read(): void {
    this.path = location.pathname;
    this.search = location.search;
  }

  /** Remembers scroll positions of elements with `data-keep-scroll`, and the focus if it has an id. */
  #keep(): void {
    const scroll: Record<string, number> = {};
    for (const element of document.querySelectorAll<HTMLElement>('[data-keep-scroll]')) {
      scroll[element.dataset.keepScroll ?? ''] = element.scrollTop;
    }
    this.#kept.delete(this.#key);
    this.#kept.set(this.#key, { scroll, focus: document.activeElement?.id || null });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MAX_KEPT) break;
      this.#kept.delete(oldest);
    }
  }

  go(address: string, how: 'push' | 'replace' = 'push'): void {
    const now = this.path + this.search;
    if (address === now) return;
    if (how === 'push') {
      this.#keep();
      this.#key = newKey();
      history.pushState({ key: this.#key }, '', address);
    } else {
      history.replaceState({ key: this.#key }, '', address);
    }
    this.restored = null;
    if (how === 'push') this.direct = false;
    this.#read();
  }

  /** Changes part of the Alerts page's state; `path` opens or closes the drawer with it. */
  set(change: Partial<AlertsState>, options: { path?: string; how?: 'push' | 'replace' } = {}): void {
    const next = { ...this.alerts, ...change };
    this.go((options.path ?? this.path) + writeAlerts(next), options.how ?? 'push');
  }

  /** The address of the Alerts page with this state and no drawer. */
  alertsAddress(change: Partial<AlertsState> = {}): string {
    return `/alerts${writeAlerts({ ...DEFAULTS, ...change })}`;
  }

  /** For `<a>`: a plain click stays within the page; with a modifier the browser does what it always does. */
  follow = (event: MouseEvent): void => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    ) {
      return;
    }
    const link = (event.target as Element | null)?.closest?.('a[href]');
    if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute('download')) return;
    const address = new URL(link.href);
    if (address.origin !== location.origin || address.pathname.startsWith('/api/')) return;
    if (address.hash && address.pathname === location.pathname) return;
    event.preventDefault();
    this.go(address.pathname + address.search);
  };
}

export const router = new Router();
