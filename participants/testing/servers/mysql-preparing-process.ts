/** Prepares one branch at a MariaDB server, in a process that the test kills while the server is at it. */
import type { Xid } from '../../../src/sdk/participant/index.ts'
import { createMysqlParticipant } from '../../mysql/index.ts'

const { name, url, xid, sql } = JSON.parse(process.argv[2] ?? '') as {
  readonly name: string
  readonly url: string
  readonly xid: Xid
  readonly sql: string
}
const participant = createMysqlParticipant({ name, url })
await participant.describe()
process.stdout.write('preparing\n')
const voted = await participant.prepare({
  xid,
  work: new TextEncoder().encode(JSON.stringify({ statements: [{ sql }] })),
  timeoutMs: 600_000,
  onePhase: false,
  signal: new AbortController().signal,
})
process.stdout.write(`${voted.vote}\n`)
// It holds the branch until it is killed.
setInterval(() => {}, 60_000)
