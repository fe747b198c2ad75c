/**
 * Who is using the page.
 *
 * The address is never touched: when a session ends, the sign-in form takes the page's place, and after signing in the
 * same address is drawn again. Only the word of a sign-in link is taken out of it.
 */
import { ApiError, api, onUnauthorised, setCsrf } from './client';
import { takeWord } from './link';
import type { Me } from './types';

type State = 'starting' | 'signed-in' | 'signed-out' | 'unreachable';

class Session {
  state = $state<State>('starting');
  me = $state.raw<Me | null>(null);
  /** A sign-in link was followed that had been used before, or is from before a restart. */
  stale = $state(false);
  /** Grows with every sign-in, so that what was asked before is asked again. */
  epoch = $state(0);

  get can(): Me['can'] {
    return this.me?.can ?? { read: false, act: false, tune: false, admin: false };
  }

  /** Sees the alerts of all namespaces, and so nodes and sinks. */
  get everywhere(): boolean {
    return this.me !== null && this.me.reach.read === null;
  }

  async start(): Promise<void> {
    onUnauthorised(() => {
      if (this.state === 'signed-in') this.state = 'signed-out';
    });
    // A link that is pasted into the open page only changes the fragment.
    addEventListener('hashchange', () => void this.follow());
    if (!(await this.follow())) await this.look();
  }

  /** Signs in with the link that was followed; whether that is done. */
  async follow(): Promise<boolean> {
    const word = takeWord();
    if (!word) return false;
    try {
      await this.signIn(word);
      return true;
    } catch (error) {
      this.stale = error instanceof ApiError && error.status === 401;
      return false;
    }
  }

  async look(): Promise<void> {
    try {
      const me = await api.me();
      setCsrf(me.csrf);
      this.me = me;
      this.state = 'signed-in';
      this.epoch += 1;
    } catch (error) {
      this.state = error instanceof ApiError && error.status === 401 ? 'signed-out' : 'unreachable';
    }
  }

  /** Throws what the manager says when it does not know the token. */
  async signIn(token: string): Promise<void> {
    const answer = await api.signIn(token.trim());
    setCsrf(answer.csrf);
    this.stale = false;
    await this.look();
  }

  async signOut(): Promise<void> {
    let provider: string | undefined;
    try {
      provider = (await api.signOut())?.logout;
    } finally {
      setCsrf(undefined);
      this.me = null;
      this.state = 'signed-out';
    }
    // The provider has a session of its own; it sends the browser back.
    if (provider) location.assign(provider);
  }
}

export const session = new Session();
