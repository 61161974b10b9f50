/** Sessions over a whole coordinator: leases, branches that the application prepares, and what a session leaves behind. */
import { afterEach, describe, expect, it } from 'vitest'
import type { Session, XidLease } from '../protocol/requests.ts'
import { Bench, type Scripted, work } from './testing/bench.ts'

const bench: { current: Bench } = { current: new Bench() }
afterEach(async () => {
  await bench.current.coordinator?.stop()
  bench.current = new Bench()
})

class Client {
  readonly leases: XidLease[] = []
  readonly ends: string[] = []
  session: Session | undefined
  #used = 0

  /** Opens a session of the coordinator that runs, and waits for its first lease. */
  async open(clientId = ''): Promise<Session> {
    const { coordinator } = bench.current
    if (coordinator === undefined) throw new Error('no coordinator runs')
    this.leases.length = 0
    this.#used = 0
    this.session = coordinator.openSession({
      caller: 'app',
      clientId,
      leaseSize: 3,
      listener: {
        leased: (lease) => this.leases.push(lease),
        ended: (reason) => this.ends.push(reason),
      },
    })
    await expect.poll(() => this.leases.length).toBe(1)
    return this.session
  }

  nextXid(): string {
    const [lease] = this.leases
    if (lease === undefined || this.session === undefined) throw new Error('nothing is leased')
    this.#used += 1
    return `${this.session.logId}.${this.session.epoch}.${lease.firstSequence + this.#used - 1}`
  }

  /** Enlists `left` and, at the database itself, prepares it. */
  async prepare(xid: string, resource: Scripted = bench.current.left) {
    const branch = { participant: 'left', resourceId: 'left', connectionId: '7' }
    await this.session?.enlist({ xid, branch })
    resource.prepared.add(xid)
    return branch
  }
}

function commitOf(
  xid: string,
  ...preparedBranches: readonly { participant: string; resourceId: string; connectionId: string }[]
) {
  return { caller: 'app', xid, branches: [], preparedBranches, waitFor: 'decision' } as const
}

describe('a session', () => {
  it('commits a leased xid with work, and a prepared branch that its application ends', async () => {
    const { left, right } = bench.current
    const coordinator = await bench.current.start()
    const client = new Client()
    const session = await client.open()
    const xid = client.nextXid()
    const branch = await client.prepare(xid)
    const { transaction } = await session.commit({
      ...commitOf(xid, branch),
      branches: [{ participant: 'right', work }],
    })
    expect(transaction).toMatchObject({ xid, outcome: 'committed' })
    await expect.poll(() => right.committed).toEqual([xid])
    expect(left.committed).toEqual([])
    left.prepared.delete(xid)
    session.acknowledge({ xid, participant: 'left', result: 'done' })
    await expect.poll(() => coordinator.status().inDoubt).toBe(0)
    expect(left.committed).toEqual([])
  })

  it('asks for more, and is answered', async () => {
    await bench.current.start()
    const client = new Client()
    const session = await client.open()
    session.lease(5)
    await expect.poll(() => client.leases.map(({ count }) => count)).toEqual([3, 5])
  })

  it('leaves what it had decided to the participants, and aborts the rest, when it ends', async () => {
    const { left } = bench.current
    await bench.current.start()
    const client = new Client()
    const session = await client.open()
    const [decided, open] = [client.nextXid(), client.nextXid()]
    const branch = await client.prepare(decided)
    await client.prepare(open)
    await session.commit(commitOf(decided, branch))
    expect([...left.prepared]).toEqual([decided, open])
    session.close('its process was killed')
    await expect.poll(() => [...left.prepared]).toEqual([])
    expect(left.committed).toEqual([decided])
    await expect(session.get({ caller: 'app', xid: open })).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const { transaction } = await (await client.open()).get({ caller: 'app', xid: open })
    expect(transaction).toMatchObject({ outcome: 'aborted', abortCause: 'session_lost', retryable: true })
  })

  it('answers a commit again, in the next session, also after a restart', async () => {
    const { left } = bench.current
    const coordinator = await bench.current.start()
    const client = new Client()
    const session = await client.open()
    const [xid, lost] = [client.nextXid(), client.nextXid()]
    const branch = await client.prepare(xid)
    const other = await client.prepare(lost)
    const request = { ...commitOf(xid, branch), name: { requestId: 'r1', attempt: 1 } }
    await session.commit(request)
    expect((await (await client.open()).commit(request)).transaction.outcome).toBe('committed')
    await coordinator.stop()
    expect(client.ends).toEqual(['the daemon is shutting down', 'the daemon is shutting down'])
    await bench.current.start()
    const again = await client.open()
    expect((await again.commit(request)).transaction).toMatchObject({ xid, outcome: 'committed' })
    expect((await again.commit(commitOf(lost, other))).transaction.outcome).toBe('aborted')
    await expect.poll(() => [...left.prepared]).toEqual([])
    expect(left.committed).toEqual([xid])
  })

  it('gives way to a newer one of the same client, and to no other', async () => {
    await bench.current.start()
    const [client, other] = [new Client(), new Client()]
    await client.open('one')
    await other.open('two')
    await new Client().open('one')
    await expect.poll(() => client.ends).toEqual(['a newer session of this client took its place'])
    expect(other.ends).toEqual([])
  })

  it('is told when the coordinator stops, and refused when it has', async () => {
    const coordinator = await bench.current.start()
    const client = new Client()
    await client.open()
    await coordinator.stop()
    expect(client.ends).toEqual(['the daemon is shutting down'])
    const listener = { leased: () => {}, ended: () => {} }
    const options = { caller: 'app', clientId: '', leaseSize: 0, listener }
    expect(() => coordinator.openSession(options)).toThrow(/has shut down/)
  })
})
