import { vitePreprocess } from '@sveltejs/vite-plugin-svelte';

/** @type {import('@sveltejs/vite-plugin-svelte').SvelteConfig} */
export default {
  preprocess: vitePreprocess({ script: false, style: false }),
  compilerOptions: {
    runes: undefined,
    // Templates are built with createElement, not by giving a string to innerHTML: the page then needs no
    // Trusted Types policy of its own to render attacker bytes next to markup.
    fragments: 'tree',
  },
};
