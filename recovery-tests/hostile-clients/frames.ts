/** HTTP/2 by the byte: a library would not let through what is to be sent here. RFC 9113, RFC 7541. */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export const FRAME_TYPES = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAGS = { none: 0, acknowledged: 1, endStream: 1, endHeaders: 4 } as const

const FRAME_HEAD_BYTES = 9

export interface Frame {
  readonly type: keyof typeof FRAME_TYPES
  readonly flags?: number
  readonly stream?: number
  readonly payload?: Uint8Array
}

export function frame({ type, flags = FLAGS.none, stream = 0, payload = new Uint8Array() }: Frame): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(FRAME_TYPES[type], 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** What a client says first. `window`: how much it lets a stream send before it says more. */
export function greeting({ window }: { readonly window?: number } = {}): Buffer {
  const settings = Buffer.alloc(window === undefined ? 0 : 6)
  if (window !== undefined) {
    settings.writeUInt16BE(4, 0)
    settings.writeUInt32BE(window, 2)
  }
  return Buffer.concat([PREFACE, frame({ type: 'settings', payload: settings })])
}

/** A header list as it stands in a HEADERS frame: each field a literal that no table remembers. */
export function fields(list: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(list.flatMap(([name, value]) => [Buffer.from([0x00]), literal(name), literal(value)]))
}

export function callFields(path: string): Buffer {
  return fields([
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
  ])
}

/** Begins a call, whose message is yet to come. */
export function opening(stream: number, path: string): Buffer {
  return frame({ type: 'headers', flags: FLAGS.endHeaders, stream, payload: callFields(path) })
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([length(bytes.length), bytes])
}

/** An integer with a prefix of seven bits. */
function length(count: number): Buffer {
  if (count < 0x7f) return Buffer.from([count])
  const bytes = [0x7f]
  let rest = count - 0x7f
  for (; rest >= 0x80; rest >>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}
