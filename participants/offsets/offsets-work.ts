/** The work of an offsets branch: which positions a group advances, and by whose right. */

import { MalformedWork } from '../shared/refusal.ts'
import { decodeJson, type Field, readArray, readInteger, readObject, readText } from '../shared/work-json.ts'

export interface Position {
  readonly group: string
  readonly topic: string
  readonly partition: number
}

export interface Advance {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

export interface OffsetsWork {
  readonly group: string
  readonly ownerEpoch: number
  readonly advance: readonly Advance[]
}

const NAME_LENGTH_MAX = 255
const PARTITION_MAX = 2 ** 31 - 1

export function decodeOffsetsWork(bytes: Uint8Array, entriesMax: number): OffsetsWork {
  const work = readObject(decodeJson(bytes), ['group', 'owner_epoch', 'advance'])
  const advance = readArray(work.advance, { min: 1, max: entriesMax }).map(readAdvance)
  refuseRepeated(advance)
  return {
    group: readText(work.group, { lengthMax: NAME_LENGTH_MAX }),
    ownerEpoch: readInteger(work.owner_epoch, { min: 0 }),
    advance,
  }
}

function readAdvance(field: Field): Advance {
  const entry = readObject(field, ['topic', 'partition', 'from', 'to'])
  const from = readInteger(entry.from, { min: 0 })
  return {
    topic: readText(entry.topic, { lengthMax: NAME_LENGTH_MAX }),
    partition: readInteger(entry.partition, { min: 0, max: PARTITION_MAX }),
    from,
    // An offset that goes back would let events be read twice.
    to: readInteger(entry.to, { min: from }),
  }
}

function refuseRepeated(advance: readonly Advance[]): void {
  const seen = new Set<string>()
  for (const [index, { topic, partition }] of advance.entries()) {
    const key = JSON.stringify([topic, partition])
    if (seen.has(key)) {
      throw new MalformedWork(
        `advance[${index}] names topic ${JSON.stringify(topic)} partition ${partition} again`,
      )
    }
    seen.add(key)
  }
}
