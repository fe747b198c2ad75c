/** What is said of a suppression that somebody has made: on how many nodes it is in force, and what that means. */
import type { SuppressionMode } from './api/types';

/** Hiding is about what comes. */
export const STAYS = '0 silenced so far. What is in the list already stays until somebody decides about it.';

/** `took`: the time since it was asked for, for people. */
export function inForce(
  mode: SuppressionMode,
  active: { nodes: number; of: number },
  took: string,
): { text: string; detail: string; kind: 'done' | 'error' } {
  const hides = mode === 'hide';
  if (active.of === 0) {
    return hides
      ? { text: 'Quiet from now on', detail: `${STAYS} No node reports to this manager.`, kind: 'done' }
      : {
          text: 'In force on no node',
          detail: 'No node has reported to this manager yet; it holds as soon as one does. See Tuning.',
          kind: 'error',
        };
  }
  if (active.nodes >= active.of) {
    return {
      text: `${hides ? 'Quiet' : 'Active'} on ${active.nodes}/${active.of} nodes in ${took}`,
      detail: hides ? STAYS : '0 silenced so far; see Tuning.',
      kind: 'done',
    };
  }
  return {
    text: `${hides ? 'Quiet here, and' : 'Active'} on ${active.nodes}/${active.of} nodes so far`,
    detail: hides
      ? 'Sinks of the other nodes get these alerts until they have heard of it; see Tuning.'
      : 'The others have not answered yet; see Tuning.',
    kind: 'error',
  };
}
