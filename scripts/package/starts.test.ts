import { expect, it } from 'vitest'
import { startedBy } from './starts.ts'

it('finds a thread and a process that are started by their names', () => {
  expect(
    startedBy('dist/src/log/log.js', 'new URL(`./worker${extname(import.meta.filename)}`, url)'),
  ).toEqual(['dist/src/log/worker.js'])
  expect(startedBy('dist/src/demo/run.js', "file: siblingOf(import.meta.url, 'processor'),")).toEqual([
    'dist/src/demo/processor.js',
  ])
})
