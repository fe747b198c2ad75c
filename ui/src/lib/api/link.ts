/**
 * Sign-in links: the word in the fragment of an address, which the manager's program printed, is traded for a session
 * once. Browsers send fragments to nobody; ours leaves the address, and the history, before anything else happens.
 */
const LINK = /^#sign-in=([0-9a-f]{64})$/;

/** The word of a fragment, if it is one. */
export const wordOf = (fragment: string): string | null => LINK.exec(fragment)?.[1] ?? null;

/** Takes the word out of the address. */
export function takeWord(): string | null {
  const word = wordOf(location.hash);
  if (word) history.replaceState(history.state, '', location.pathname + location.search);
  return word;
}
