/** What the applications' branches take beside their connection. */
export interface BranchOptions {
  /** How long a statement may wait for a lock, and no longer than the transaction has time. Default: 5 s. */
  readonly lockTimeoutMs?: number | undefined
  /** How long the server may take to end a branch that is decided; then the daemon does. Default: 10 s. */
  readonly answerTimeoutMs?: number | undefined
}
