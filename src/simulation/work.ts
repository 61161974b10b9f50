/** The work of a modelled branch: it takes a key, and some of it tries to end its own transaction (R14). */

export interface ModelWork {
  /** Exclusive while its branch is prepared. */
  readonly key: string
  readonly endsItself: boolean
}

const ENDS_ITSELF = '; COMMIT'

export function encodeWork({ key, endsItself }: ModelWork): Uint8Array {
  return new TextEncoder().encode(endsItself ? `${key}${ENDS_ITSELF}` : key)
}

export function decodeWork(bytes: Uint8Array): ModelWork {
  const text = new TextDecoder().decode(bytes)
  const endsItself = text.endsWith(ENDS_ITSELF)
  return { key: endsItself ? text.slice(0, -ENDS_ITSELF.length) : text, endsItself }
}
