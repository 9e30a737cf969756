import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/global_setup.ts'],
    testTimeout: 30000,
    maxConcurrency: 40,
    hookTimeout: 120000,
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          sequence: { groupOrder: 1 },
          include: ['test/**/*.test.ts'],
          exclude: ['test/{gateway,launcher,compose}/**'],
        },
      },
      {
        extends: true,
        test: {
          name: 'gateway',
          sequence: { groupOrder: 2 },
          include: ['test/{gateway,launcher}/**/*.test.ts'],
          maxWorkers: 3,
        },
      },
      {
        extends: true,
        test: {
          name: 'compose',
          sequence: { groupOrder: 3 },
          include: ['test/compose/**/*.test.ts'],
          maxWorkers: 1,
          testTimeout: 180000,
          hookTimeout: 300000,
        },
      },
    ],
  },
});
