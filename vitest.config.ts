import { configDefaults, defineConfig } from 'vitest/config'

/** They need real database servers; the project starts one of each for all of them. */
const DATABASE_TESTS = '**/*.database.test.ts'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['src/**/*.test.ts', 'participants/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: [...configDefaults.exclude, DATABASE_TESTS],
          maxWorkers: 2,
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'databases',
          include: [DATABASE_TESTS],
          exclude: [...configDefaults.exclude, 'dist/**', 'recovery-tests/**'],
          globalSetup: ['participants/testing/servers/global-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'recovery',
          include: ['recovery-tests/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 120_000,
          // They wait more than they work; each has processes, ports and directories of its own.
          maxWorkers: 5,
        },
      },
    ],
  },
})
