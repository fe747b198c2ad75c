import { defineConfig } from 'vitest/config';

// A real Chromium against the real binary; tests/browser/run.sh starts this.
export default defineConfig({
  cacheDir: process.env.TAPIR_WORK ?? 'node_modules/.vite',
  test: {
    include: ['tests/browser/**/*.test.ts'],
    environment: 'node',
    // Two cores are enough for one browser and one manager.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    disableConsoleIntercept: true,
  },
});
