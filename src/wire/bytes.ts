/** Bytes that came in a message. */

/**
 * A copy. What the decoder gives is a window on the whole message: it would keep all of it in memory for as long
 * as one branch's work is, and be cloned whole on its way to a worker thread.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
