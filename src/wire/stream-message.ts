/**
 * A message of a batched stream, to and from bytes: one body of several. Its batch is the hot path, and is written and read by
 * hand; the others are left to the generated code.
 */
import { ByteReader, type Decoder } from './byte-reader.ts'
import { ByteWriter, type Encoder } from './byte-writer.ts'

/** In each of these messages the batch has the same number. */
const BATCH_TAG = 18

/** One message at a time is written, from its first byte to its last. */
const writer = new ByteWriter()

interface Body {
  readonly $case: string
  readonly value: unknown
}

type BatchOf<Message extends { body?: Body | undefined }> = Extract<
  Message['body'],
  { readonly $case: 'batch' }
>['value']

export interface StreamMessageParts<Message extends { body?: Body | undefined }> {
  readonly writeBatch: (writer: ByteWriter, batch: BatchOf<Message>) => void
  readonly readBatch: (reader: ByteReader) => BatchOf<Message>
  /** The other bodies. */
  readonly others: readonly {
    readonly $case: Exclude<NonNullable<Message['body']>['$case'], 'batch'>
    readonly tag: number
    readonly type: Encoder<never> & Decoder<unknown>
  }[]
}

export interface StreamMessageCodec<Message> {
  readonly serialize: (message: Message) => Buffer
  readonly deserialize: (bytes: Buffer) => Message
}

export function streamMessage<Message extends { body?: Body | undefined }>(
  parts: StreamMessageParts<Message>,
): StreamMessageCodec<Message> {
  const { writeBatch, readBatch, others } = parts
  return {
    serialize: ({ body }) => {
      writer.restart()
      if (body?.$case === 'batch') {
        const start = writer.open(BATCH_TAG)
        writeBatch(writer, body.value as BatchOf<Message>)
        writer.close(start)
      } else if (body !== undefined) {
        const other = others.find(({ $case }) => $case === body.$case)
        if (other !== undefined) writer.message(other.tag, other.type, body.value as never)
      }
      return writer.finish()
    },

    deserialize: (bytes) => {
      const reader = new ByteReader(bytes)
      let body: Body | undefined
      for (let tag = reader.tag(reader.end); tag !== 0; tag = reader.tag(reader.end)) {
        const other = tag === BATCH_TAG ? undefined : others.find((one) => one.tag === tag)
        if (tag === BATCH_TAG) body = { $case: 'batch', value: readBatch(reader) }
        else if (other === undefined) reader.skip(tag)
        else body = { $case: other.$case, value: reader.message(other.type) }
      }
      return { body } as Message
    },
  }
}
