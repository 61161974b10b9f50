/**
 * Between the domain and the wire: src/wire/generated is what proto/ generates (`npm run generate`), the files here
 * convert to and from it. Nothing here does I/O.
 *
 * - What comes from the other end is checked for its shape: a conversion from proto throws PledgedError
 *   (INVALID_REQUEST, MALFORMED_XID) with the field and the rule. What a request means is the core's to check.
 * - What the other end says in a word that this version doesn't know is never rounded: an outcome or a result
 *   becomes unknown, evidence none.
 * - Free text is bounded both ways (TEXT_LENGTH_MAX).
 *
 * Generated messages are imported from where they are: `wire/generated/pledged/v1/...`. The services with a stream, and their clients,
 * are taken from here instead: the streams' messages have a codec of their own (services.ts).
 */
export * from './admin-handlers.ts'
export * from './attachment.ts'
export * from './batch.ts'
export * from './batched-stream.ts'
export * from './bytes.ts'
export * from './channel.ts'
export * from './connection-failures.ts'
export * from './coordinator-batch.ts'
export * from './enums.ts'
export * from './errors.ts'
export * from './json.ts'
export * from './participant-batch.ts'
export * from './requests.ts'
export * from './services.ts'
export * from './session-calls.ts'
export * from './session-opening.ts'
export * from './session-replies.ts'
export * from './text.ts'
export * from './time.ts'
export * from './transactions.ts'
export * from './votes.ts'
