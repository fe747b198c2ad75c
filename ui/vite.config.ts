import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

/** Where a running manager answers, for the development server only; `npm run seeded` starts one. */
const manager = process.env.TAPIR_URL ?? 'http://127.0.0.1:9443';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2023',
    // A strict CSP forbids data: outside of images, and a sprite must keep its own address.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { '/api': manager } },
  // Component tests run in a browser-like world; without this, Svelte's server build would be taken.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    testTimeout: 10_000,
  },
});
