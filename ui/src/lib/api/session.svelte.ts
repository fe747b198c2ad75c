/**
 * Who is using the page.
 *
 * The address is never touched: when a session ends, the sign-in form takes the page's place, and after signing in the
 * same address is drawn again.
 */
import { ApiError, api, onUnauthorised, setCsrf } from './client';
import type { Me } from './types';

type State = 'starting' | 'signed-in' | 'signed-out' | 'unreachable';

class Session {
  state = $state<State>('starting');
  me = $state.raw<Me | null>(null);
  /** Grows with every sign-in, so that what was asked before is asked again. */
  epoch = $state(0);

  get can(): Me['can'] {
    return this.me?.can ?? { read: false, act: false, tune: false, admin: false };
  }

  async start(): Promise<void> {
    onUnauthorised(() => {
      if (this.state === 'signed-in') this.state = 'signed-out';
    });
    await this.look();
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
