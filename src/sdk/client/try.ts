/** How one try of one request ended. */
import type { PledgedError } from '../../base/errors.ts'

export type Try<Response> =
  | { readonly end: 'answered'; readonly response: Response }
  /** The daemon says that it did not accept this call. */
  | { readonly end: 'refused'; readonly error: PledgedError }
  /** No answer. `sent`: it may have arrived. */
  | { readonly end: 'lost'; readonly error: PledgedError; readonly sent: boolean }
