import { defineConfig } from 'vitest/config';

// Tests with a real Chromium against a running manager: TAPIR_URL=http://127.0.0.1:8443 npm run test:browser
export default defineConfig({
  test: {
    include: ['tests/browser/**/*.test.ts'],
    environment: 'node',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
