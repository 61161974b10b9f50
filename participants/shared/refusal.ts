/** The reasons for a no vote that a participant finds itself, as errors: thrown where they are seen, voted above. */

/** The work can't be read; the message says which field, and what was expected. */
export class MalformedWork extends Error {
  override readonly name = 'MalformedWork'
}

/** A no vote from within the transaction whose part must be undone. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly retryable: boolean

  constructor(message: string, options: { readonly retryable?: boolean } = {}) {
    super(message)
    this.retryable = options.retryable ?? false
  }
}
