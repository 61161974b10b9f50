/** Prepares one branch at a PostgreSQL server, in a process that the test kills while the server is at it. */
import type { Xid } from '../../../src/sdk/participant/index.ts'
import { createPostgresParticipant } from '../../postgres/index.ts'

const { name, url, xid, sql } = JSON.parse(process.argv[2] ?? '') as {
  readonly name: string
  readonly url: string
  readonly xid: Xid
  readonly sql: string
}
const participant = createPostgresParticipant({ name, url })
await participant.describe()
await participant.prepare({
  xid,
  work: new TextEncoder().encode(JSON.stringify({ statements: [{ sql }] })),
  timeoutMs: 600_000,
  onePhase: false,
  signal: new AbortController().signal,
})
process.exit(0)
