import { expect, it } from 'vitest'
import { objectionsToContents } from './contents.ts'

const GOOD = [
  'package.json',
  'README.md',
  'LICENSE',
  'dist/src/cli/pledged.js',
  'dist/src/log/sqlite/worker.js',
  'dist/src/sdk/conformance/index.d.ts',
  'dist/src/demo/data/flights-20k.jsonl',
  'proto/pledged/v1/participant_service.proto',
]

function objectionsTo(paths: readonly string[]): string[] {
  return objectionsToContents(paths.map((path) => ({ path, size: 1 })))
}

it('takes what ships', () => {
  expect(objectionsTo(GOOD)).toEqual([])
})

it.each([
  ['dist/src/log/records.test.js', 'a test'],
  ['dist/participants/testing/kit.js', 'a test'],
  ['dist/src/sdk/client/session/test-session.js', 'a test'],
  ['dist/src/log/conformance/index.js', 'what tests share'],
  ['dist/src/transport/grpc/harness.js', 'what tests share'],
  ['dist/src/simulation/history.js', 'the simulator'],
  ['dist/src/bench/main.js', 'a bench'],
  ['scripts/tidy', 'a tool'],
  ['examples/transfer/transfer.ts', 'a tool'],
  ['src/cli/pledged.ts', 'none of what ships'],
  ['dist/.built', 'none of what ships'],
  ['.env', 'none of what ships'],
])('refuses %s', (path, what) => {
  expect(objectionsTo([...GOOD, path])).toEqual([expect.stringContaining(`${path} is ${what}`)])
})

it('misses the program', () => {
  expect(objectionsTo(GOOD.filter((path) => !path.includes('cli')))).toEqual([
    'dist/src/cli/pledged.js is missing',
  ])
})
