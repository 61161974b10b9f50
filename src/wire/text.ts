/** Free text from the other end is kept and shown: it is bounded where it enters and where it leaves. */

/** Characters of a sentence: an error's, a vote's, a result's. It has to fit into HTTP/2 trailers, escaped. */
export const TEXT_LENGTH_MAX = 1_024

/** The text, cut to TEXT_LENGTH_MAX, without half a character at the cut: encodeURI throws on one. */
export function boundedText(text: string): string {
  const bounded = text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX - 1)}…`
  return bounded.toWellFormed()
}
