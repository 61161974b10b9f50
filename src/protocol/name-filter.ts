/**
 * Names that were given up, as a Bloom filter (Bloom 1970): what it doesn't have was never added; what it has may be another.
 * So a name that is new is known to be so without asking the log. It is exact enough for some millions of names; beyond, more
 * and more of the new ones are looked up in vain, as all would be without it.
 */
const BITS = 2 ** 25
const PROBES = 3

/** FNV-1a (draft-eastlake-fnv), from two starts. */
const PRIME = 0x01000193
const START = 0x811c9dc5
const STRIDE_START = 0x9747b28c

export class NameFilter {
  readonly #words = new Uint32Array(BITS / 32)

  add(caller: string, requestId: string): void {
    this.#probe(caller, requestId, (word, bit) => {
      this.#words[word] = (this.#words[word] ?? 0) | bit
      return true
    })
  }

  /** False: it was never added. */
  mayHave(caller: string, requestId: string): boolean {
    return this.#probe(caller, requestId, (word, bit) => ((this.#words[word] ?? 0) & bit) !== 0)
  }

  /** Two hashes stand for as many as are wanted (Kirsch and Mitzenmacher 2006). Ends where `look` says false. */
  #probe(caller: string, requestId: string, look: (word: number, bit: number) => boolean): boolean {
    let place = START
    let stride = STRIDE_START
    for (const text of [caller, requestId]) {
      for (let index = 0; index < text.length; index += 1) {
        const unit = text.charCodeAt(index)
        place = Math.imul(place ^ unit, PRIME)
        stride = Math.imul(stride ^ unit, PRIME)
      }
    }
    stride |= 1
    for (let probe = 0; probe < PROBES; probe += 1) {
      const bit = place & (BITS - 1)
      if (!look(bit >>> 5, 1 << (bit & 31))) return false
      place = (place + stride) | 0
    }
    return true
  }
}
