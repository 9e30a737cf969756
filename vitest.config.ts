import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// These files take longest. They start first, so that no worker is still at one when the others have ended.
const longest = [
  'walks',
  'cluster_limits',
  'reload',
  'sidecar',
  'remote_jwks',
  'around',
  'cluster_chaos',
  'limits',
  'locations',
  'http_level',
  'one_way',
  'metrics',
  'install',
  'clocks',
  'cluster_snapshot',
  'key_file_states',
  'large_key_files',
  'main',
  'kubernetes',
  'outages',
  'settings',
];
const rank = ({ moduleId }: TestSpecification) => {
  const found = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return found === -1 ? longest.length : found;
};

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

// More than cores, as most tests wait for what they have started.
const workers = 4;

export default defineConfig({
  test: {
    globalSetup: ['test/global_setup.ts'],
    testTimeout: 30000,
    maxConcurrency: 40,
    expect: { poll: { timeout: 20000 } }, // on a busy machine; what is looked for is there within a second
    hookTimeout: 120000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'units',
          sequence: { groupOrder: 1 },
          include: ['test/**/*.test.ts'],
          exclude: ['test/{gateway,launcher,compose}/**'],
          maxWorkers: workers,
        },
      },
      {
        extends: true,
        test: {
          name: 'gateway',
          sequence: { groupOrder: 1 },
          include: ['test/{gateway,launcher}/**/*.test.ts'],
          maxWorkers: workers,
        },
      },
      {
        extends: true,
        test: {
          name: 'compose',
          sequence: { groupOrder: 2 },
          include: ['test/compose/**/*.test.ts'],
          maxWorkers: 3,
          testTimeout: 180000,
          hookTimeout: 300000,
        },
      },
    ],
  },
});
