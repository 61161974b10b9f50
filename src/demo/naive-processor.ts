/**
 * The same job with two plain commits, as it is often written: the sink first, then the offset. Each is durable;
 * nothing holds them together. Told to, it dies between the two, where a real one dies sooner or later.
 *
 * Arguments: INPUT SINK_FILE OFFSETS_FILE BATCH
 */
import { DatabaseSync } from 'node:sqlite'
import { readInput } from './input.ts'

const [inputFile = '', sinkFile = '', offsetsFile = '', batchText = '50'] = process.argv.slice(2)
const batchSize = Number(batchText)
let dieBetweenCommits = false

process.on('message', (message) => {
  if (typeof message === 'object' && message !== null && 'type' in message && message.type === 'die') {
    dieBetweenCommits = true
  }
})

const sink = new DatabaseSync(sinkFile)
const offsets = new DatabaseSync(offsetsFile)
for (const database of [sink, offsets]) {
  database.exec('PRAGMA journal_mode = WAL')
  database.exec('PRAGMA synchronous = FULL')
}
const insert = sink.prepare('INSERT INTO events (event, payload) VALUES (?, ?)')
const advance = offsets.prepare('UPDATE naive_offset SET position = ?')
const { events } = readInput(inputFile)

for (let from = storedOffset(); from < events.length; from += batchSize) {
  const batch = events.slice(from, from + batchSize)
  sink.exec('BEGIN IMMEDIATE')
  for (const [index, payload] of batch.entries()) insert.run(from + index, payload)
  sink.exec('COMMIT')
  if (dieBetweenCommits) process.kill(process.pid, 'SIGKILL')
  advance.run(from + batch.length)
  process.send?.({ type: 'progress', offset: from + batch.length })
  // The channel is read between batches only.
  await new Promise((resolve) => setImmediate(resolve))
}
process.disconnect?.()

function storedOffset(): number {
  const row = offsets.prepare('SELECT position FROM naive_offset').get() as { position: number } | undefined
  return row?.position ?? 0
}
