/** Tabs of the drawer that are seldom the first one looked at: one chunk, loaded when one of them is. */
export { default as Session } from './Session.svelte';
export { default as Related } from './Related.svelte';
export { default as RuleText } from './RuleText.svelte';
export { default as Raw } from './Raw.svelte';
