/**
 * What stands between an application and its own connection while that one does a branch's work: the driver's connection,
 * with every method of it, but for what would end the transaction from within. Once the branch has ended, or its prepare
 * has begun, the connection may be somebody else's already: from then on nothing is taken.
 *
 * It is a proxy, so that the driver, a query builder or a helper of the application's can't tell it from the real thing
 * (`instanceof` included). Methods run on the real connection: what they call themselves isn't looked at again.
 */
import { PledgedError } from '../../../src/sdk/participant/index.ts'
import { StatementsInFlight } from './statements-in-flight.ts'

export interface GuardRules {
  /** In errors: `participant "ledger"`. */
  readonly branch: string
  /** Methods that send a statement. */
  readonly statements: ReadonlySet<string>
  /** Methods that are never for the application, and what to do instead. */
  readonly refused: Readonly<Record<string, string>>
  /** Methods that only concern this process, and are allowed for ever. */
  readonly harmless: ReadonlySet<string>
  /** Methods that make another face of the connection: of the guarded one. */
  readonly faces?: ReadonlySet<string> | undefined
  /** Without a callback, an error is a rejected promise, or is thrown. */
  readonly failsBy: 'rejecting' | 'throwing'
  /** The text of a statement as it was given; undefined where there is none to be seen. */
  readonly textOf: (statement: unknown) => string | undefined
  /** Why a statement isn't for the application; undefined where it is. */
  readonly objectionTo: (sql: string) => string | undefined
  /** Before a statement is sent, in the order in which they are. */
  readonly onStatement?: ((sql: string | undefined) => void) | undefined
}

type Method = (...args: unknown[]) => unknown

/** Kysely and others give back what they were lent after each query: the branch goes on. */
const GIVES_BACK: ReadonlySet<PropertyKey> = new Set(['release', Symbol.dispose, Symbol.asyncDispose])

export class ConnectionGuard<Connection extends object> {
  readonly handle: Connection
  readonly #rules: GuardRules
  readonly #inFlight = new StatementsInFlight()
  readonly #methods = new Map<PropertyKey, Method>()
  #ended = false

  constructor(connection: Connection, rules: GuardRules) {
    this.#rules = rules
    this.handle = new Proxy(connection, {
      get: (target, property) => this.#read(target, property),
    })
  }

  /** Statements whose answers are outstanding. */
  get inFlight(): number {
    return this.#inFlight.count
  }

  /**
   * When every statement that was sent has been answered. Throws what the first of those answered with that failed: nobody
   * awaited it, so nobody can have handled it.
   */
  settled(): Promise<void> {
    return this.#inFlight.settled()
  }

  /** Nothing more is taken. */
  end(): void {
    this.#ended = true
  }

  /** The connection was closed: who waits for a call, and would wait for ever, is told. */
  giveUp(error: unknown): void {
    this.#inFlight.giveUp(error)
  }

  #read(target: Connection, property: PropertyKey): unknown {
    if (GIVES_BACK.has(property)) return release
    const value: unknown = Reflect.get(target, property, target)
    if (typeof value !== 'function' || property === 'constructor') return value
    const known = this.#methods.get(property)
    if (known !== undefined) return known
    const method = this.#guarded(target, String(property), value as Method)
    this.#methods.set(property, method)
    return method
  }

  #guarded(target: Connection, name: string, method: Method): Method {
    const { statements, refused, harmless, faces } = this.#rules
    const instead = Object.hasOwn(refused, name) ? refused[name] : undefined
    return (...args) => {
      if (instead !== undefined) return this.#refuse(args, `${name}() is not for a branch: ${instead}`)
      if (this.#ended && !harmless.has(name)) return this.#refuse(args, this.#over())
      if (statements.has(name)) return this.#send(target, method, args)
      if (faces?.has(name) === true) return method.apply(this.handle, args)
      return this.#own(target, method.apply(target, args))
    }
  }

  #send(target: Connection, method: Method, args: unknown[]): unknown {
    const { textOf, objectionTo, onStatement } = this.#rules
    const text = textOf(args[0])
    const objection = text === undefined ? undefined : objectionTo(text)
    if (objection !== undefined) return this.#refuse(args, objection)
    onStatement?.(text)
    return this.#own(
      target,
      this.#inFlight.follow(args, (followed) => method.apply(target, followed)),
    )
  }

  /** What a method returns for chaining is not the real connection. */
  #own(target: Connection, value: unknown): unknown {
    return value === target ? this.handle : value
  }

  #over(): string {
    return "its work has ended, and the connection is no longer the branch's: use it only within the callback, and await what you start"
  }

  /** By whichever way an answer would have come. */
  #refuse(args: readonly unknown[], why: string): unknown {
    const error = new PledgedError('INVALID_REQUEST', `${this.#rules.branch}: ${why}`)
    const [statement] = args
    const callback = args.at(-1)
    if (typeof callback === 'function') {
      process.nextTick(callback as Method, error)
      return undefined
    }
    if (isSubmittable(statement)) {
      process.nextTick(() => statement.handleError(error, undefined))
      return statement
    }
    if (this.#rules.failsBy === 'throwing') throw error
    return Promise.reject(error)
  }
}

/** What brings its own ears: pg's Query, Cursor and QueryStream. */
interface Submittable {
  submit(connection: unknown): void
  handleError(error: Error, connection: unknown): void
}

function isSubmittable(statement: unknown): statement is Submittable {
  if (typeof statement !== 'object' || statement === null) return false
  const { submit, handleError } = statement as Readonly<Record<string, unknown>>
  return typeof submit === 'function' && typeof handleError === 'function'
}

function release(): void {}
