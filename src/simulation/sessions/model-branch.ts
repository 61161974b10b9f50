/** The port that the SDK's branches are made of, over a modelled server: as pledged/postgres and pledged/mysql are. */
import type { BranchOpening } from '../../sdk/client/transaction/branch.ts'
import type { Resource } from '../resource.ts'
import type { Process } from '../virtual-time.ts'
import type { World } from '../world.ts'
import { ApplicationConnection } from './application-connection.ts'

export interface ModelHandle {
  work(key: string): Promise<void>
}

export interface ModelBranchOptions {
  readonly world: World
  readonly process: Process
  readonly resource: Resource
  /** Told of each connection, for the day that the application dies. */
  readonly connected: (connection: ApplicationConnection) => void
}

/** R10: as its participant describes the resource. */
export function resourceIdOf({ name }: Resource): string {
  return `resource-${name}`
}

export function modelBranch(options: ModelBranchOptions): BranchOpening<ModelHandle> {
  const { resource, connected } = options
  return {
    participant: resource.name,
    source: resource,
    open: async ({ xid }) => {
      const connection = new ApplicationConnection({ ...options, xid })
      connected(connection)
      await connection.open()
      const order = new CallOrder(({ method, before }) =>
        options.world.see({
          type: 'bug',
          message: `the SDK called ${method} of its branch of ${xid} at ${resource.name} after ${before}`,
        }),
      )
      return {
        resourceId: resourceIdOf(resource),
        connectionId: connection.id,
        handle: { work: (key) => connection.work(key) },
        prepare: () => order.keep('prepare', () => connection.prepare()),
        commit: () => order.keep('commit', () => connection.commit()),
        rollBack: () => order.keep('rollBack', () => connection.rollBack()),
        leave: () => {
          order.check('leave')
          connection.leave()
        },
      }
    },
  }
}

type Method = 'prepare' | 'commit' | 'rollBack' | 'leave'

interface Misorder {
  readonly method: Method
  readonly before: Method
}

/** What the port promises to whoever implements it: one method at a time, in the order of an ordinary life. */
class CallOrder {
  readonly #broken: (misorder: Misorder) => void
  #last: Method | undefined
  #isRunning = false

  constructor(broken: (misorder: Misorder) => void) {
    this.#broken = broken
  }

  async keep<Result>(method: Method, run: () => Promise<Result>): Promise<Result> {
    this.check(method)
    this.#isRunning = true
    try {
      return await run()
    } finally {
      this.#isRunning = false
    }
  }

  /** What is given up may be left in the middle of anything. */
  check(method: Method): void {
    const before = this.#last
    this.#last = method
    const mayFollow = before === undefined || (before === 'prepare' && method !== 'prepare')
    const isFree = !this.#isRunning || method === 'leave'
    if (before !== undefined && !(mayFollow && isFree)) this.#broken({ method, before })
  }
}
