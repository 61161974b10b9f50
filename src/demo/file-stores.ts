/** The embedded default: the sink in a SQLite file, the offset in the offset store's. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { claimOwnerEpoch, readOffset } from '../../participants/offsets/index.ts'
import type { JsonObject } from '../sdk/client/index.ts'
import { GROUP, PARTITION, SINK_SCHEMA, TOPIC } from './names.ts'
import { countSink, queryOne } from './proof.ts'
import type { Counts, Job, Move, ServeArguments, StoreParty, Stores } from './stores.ts'

export class FileStores implements Stores {
  readonly kind = 'files'
  readonly title = 'sink.db + offsets.db'
  readonly servers = {}
  readonly sinkFile: string
  readonly offsetsFile: string

  constructor(directory: string) {
    this.sinkFile = join(directory, 'sink.db')
    this.offsetsFile = join(directory, 'offsets.db')
  }

  start(): Promise<void> {
    const sink = new DatabaseSync(this.sinkFile)
    sink.exec(SINK_SCHEMA)
    sink.close()
    return Promise.resolve()
  }

  serve(party: StoreParty): ServeArguments {
    return party === 'sink'
      ? { kind: 'sqlite', flags: ['--file', this.sinkFile] }
      : { kind: 'offsets', flags: ['--file', this.offsetsFile] }
  }

  count(): Promise<Counts> {
    const { rows, distinct } = countSink(this.sinkFile)
    const held = [this.sinkFile, this.offsetsFile].map((file) =>
      Number(queryOne(file, 'SELECT count(*) AS held FROM pledged_in_doubt')['held']),
    )
    return Promise.resolve({
      sinkRows: rows,
      distinct,
      offset: offsetIn(this.offsetsFile),
      held: held.reduce((sum, one) => sum + one, 0),
    })
  }

  stop(): Promise<void> {
    return Promise.resolve()
  }
}

export class FileJob implements Job {
  readonly #offsetsFile: string

  constructor(offsetsFile: string) {
    this.#offsetsFile = offsetsFile
  }

  claimOwnerEpoch(): Promise<number> {
    return Promise.resolve(claimOwnerEpoch({ file: this.#offsetsFile, group: GROUP }))
  }

  storedOffset(): Promise<number> {
    return Promise.resolve(offsetIn(this.#offsetsFile))
  }

  insert(from: number, batch: readonly string[]): JsonObject {
    const rows = batch.map(() => '(?, ?)').join(', ')
    return {
      statements: [
        {
          sql: `INSERT INTO events (event, payload) VALUES ${rows}`,
          params: batch.flatMap((payload, index) => [from + index, payload]),
          expect_rows: batch.length,
        },
      ],
    }
  }

  advance({ ownerEpoch, from, to }: Move): JsonObject {
    return {
      group: GROUP,
      owner_epoch: ownerEpoch,
      advance: [{ topic: TOPIC, partition: PARTITION, from, to }],
    }
  }
}

function offsetIn(file: string): number {
  return readOffset({ file, group: GROUP, topic: TOPIC, partition: PARTITION })
}
