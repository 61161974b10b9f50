/** What consumers wrote down of what they ran and were told, held against the rows in the databases and what the daemon says now. */
import { type Coordinator, PledgedError } from '../../src/sdk/client/index.ts'
import type { TestDatabase } from '../harness/test-database.ts'
import { PARTICIPANTS, type ParticipantName } from '../real-databases/work.ts'
import { type Line, readJournal } from './journal.ts'

/** Rows in the sinks, by the transaction that put them there. */
export type RowsByXid = ReadonlyMap<string, number>

export async function readRows(
  databases: Readonly<Record<ParticipantName, TestDatabase>>,
): Promise<RowsByXid> {
  const sql = 'SELECT xid, count(*) AS n FROM events GROUP BY xid'
  const found = await Promise.all(PARTICIPANTS.map((name) => databases[name].query(sql)))
  return new Map(found.flat().map((row) => [String(row['xid']), Number(row['n'])]))
}

interface Run {
  readonly xid: string
  readonly events: number
}

/** The ends of one request, in the order in which they were told. */
type End = Exclude<Line, { readonly type: 'ran' }>

interface Request {
  readonly runs: Run[]
  readonly ends: End[]
}

/** What has to be true of a transaction now. */
interface Claim {
  readonly xid: string
  readonly outcome: 'committed' | 'not committed'
  readonly why: string
}

const ASKED_AT_ONCE = 64

export class ConsumerRecord {
  readonly #requests: ReadonlyMap<string, Request>

  constructor(journals: readonly string[]) {
    const requests = new Map<string, Request>()
    for (const line of journals.flatMap(readJournal)) {
      const request = requests.get(line.request) ?? { runs: [], ends: [] }
      requests.set(line.request, request)
      if (line.type === 'ran') request.runs.push({ xid: line.xid, events: line.events })
      else request.ends.push(line)
    }
    this.#requests = requests
  }

  /** How often each end was told. */
  get counts(): Readonly<{ [outcome: string]: number }> {
    const counts: { [outcome: string]: number } = {}
    for (const { type, outcome } of this.#all.flatMap(({ ends }) => ends)) {
      const name = type === 'told' ? outcome : `${type} ${outcome}`
      counts[name] = (counts[name] ?? 0) + 1
    }
    return counts
  }

  /** Xids under which a callback ran of which nothing was told yet. */
  get underWay(): readonly string[] {
    const open = this.#all.filter(({ ends }) => ends.length === 0)
    return open.flatMap(({ runs }) => runs.slice(-1).map(({ xid }) => xid))
  }

  /** Under which a callback ran last. */
  get latestXid(): string | undefined {
    return this.#all.at(-1)?.runs.at(-1)?.xid
  }

  /** What has to have become of each transaction of which the consumer was told, by xid. */
  get claims(): ReadonlyMap<string, Claim['outcome']> {
    return new Map(this.#claims.map(({ xid, outcome }) => [xid, outcome]))
  }

  /** Rows that contradict what was told; and rows of a transaction that has only some of its own. */
  brokenPromises(rows: RowsByXid): readonly string[] {
    const broken: string[] = []
    for (const { xid, outcome, why } of this.#claims) {
      const is = rows.get(xid) ?? 0
      if (is > 0 !== (outcome === 'committed')) broken.push(`${xid} has ${is} rows, and ${why}`)
    }
    for (const { xid, events } of this.#all.flatMap(({ runs }) => runs)) {
      const is = rows.get(xid) ?? 0
      if (is !== 0 && is !== events) broken.push(`${xid} has ${is} rows of ${events}`)
    }
    return broken
  }

  /** What the daemon says now, where it is something else than was told. */
  async answersTakenBack(coordinator: Pick<Coordinator, 'get'>): Promise<readonly string[]> {
    const taken: string[] = []
    const claims = this.#claims
    for (let at = 0; at < claims.length; at += ASKED_AT_ONCE) {
      const asked = claims.slice(at, at + ASKED_AT_ONCE).map(async ({ xid, outcome, why }) => {
        const now = await outcomeOf(coordinator, xid)
        if ((now === 'committed') !== (outcome === 'committed')) taken.push(`${xid} is ${now}, and ${why}`)
      })
      await Promise.all(asked)
    }
    return taken
  }

  get #all(): readonly Request[] {
    return [...this.#requests.values()]
  }

  get #claims(): readonly Claim[] {
    return this.#all.flatMap(claimsOf)
  }
}

/** A later run of a request was begun because the ones before it had aborted; and one of them commits, if any. */
function claimsOf({ runs, ends }: Request): readonly Claim[] {
  const committed = ends.find((end) => end.outcome === 'committed')
  const standing = committed?.xid ?? runs.at(-1)?.xid
  const others = runs.filter(({ xid }) => xid !== standing)
  const claims = others.map(({ xid }): Claim => ({ xid, outcome: 'not committed', why: 'was tried again' }))
  const known = ends.find((end) => end.outcome !== 'unknown')
  if (standing === undefined || known === undefined) return claims
  const outcome = committed === undefined ? 'not committed' : 'committed'
  return [...claims, { xid: standing, outcome, why: `was ${known.type} "${known.outcome}"` }]
}

async function outcomeOf(coordinator: Pick<Coordinator, 'get'>, xid: string): Promise<string> {
  try {
    return (await coordinator.get({ xid })).outcome
  } catch (error) {
    if (error instanceof PledgedError && error.status === 'NOT_FOUND') return 'none'
    throw error
  }
}
