/** `pledged run`: starts the daemon part, then the application, and ends them in the opposite order. */
import { createLogger, type Logger } from '../logger.ts'
import type { DaemonOptions, Environment } from '../options.ts'
import { Application, exitCodeOfSignal, type NotStarted } from './application.ts'
import { DaemonKeeper } from './daemon-keeper.ts'
import type { Ready } from './messages.ts'
import { isToBePassedOn, listenToSignals, meansEnd } from './signal-relay.ts'
import { makeSocketPlace } from './socket-place.ts'

export interface SidecarOptions {
  /** As for `serve`; `listen` has to be unix:PATH, and is a socket of this run's own where it is left out. */
  readonly daemon: DaemonOptions
  readonly command: string
  readonly args: readonly string[]
  /** Of both. */
  readonly environment: Environment
  /** An application that doesn't end within that time of a SIGTERM or SIGINT is killed; undefined: never. */
  readonly stopTimeoutMs: number | undefined
  readonly quiet: boolean
}

export type SidecarEnd = { readonly type: 'ended'; readonly exitCode: number } | NotStarted

/** Rejects with a PledgedError where the daemon part can't be started: the application wasn't, then. */
export async function runSidecar(options: SidecarOptions): Promise<SidecarEnd> {
  const { daemon, environment, quiet } = options
  const place = makeSocketPlace(daemon.listen)
  const { listen, httpListen, temporaryDirectory } = place
  const logger = createLogger('info')
  const keeper = new DaemonKeeper({
    part: {
      daemon: { ...daemon, listen, httpListenDefault: httpListen },
      quiet,
      temporaryDirectory,
    },
    environment,
    logger,
  })
  try {
    return await new Sidecar(options, keeper, logger).run()
  } finally {
    place.remove()
  }
}

type Phase =
  | { readonly type: 'starting'; readonly signal?: NodeJS.Signals | undefined }
  /** The daemon part serves, and the application's process is being made. */
  | { readonly type: 'spawning'; readonly signals: NodeJS.Signals[] }
  | { readonly type: 'running'; readonly application: Application }
  | { readonly type: 'draining' }

class Sidecar {
  readonly #options: SidecarOptions
  readonly #keeper: DaemonKeeper
  readonly #logger: Logger
  #phase: Phase = { type: 'starting' }
  #stopTimer: NodeJS.Timeout | undefined

  constructor(options: SidecarOptions, keeper: DaemonKeeper, logger: Logger) {
    this.#options = options
    this.#keeper = keeper
    this.#logger = logger
  }

  async run(): Promise<SidecarEnd> {
    const forgetSignals = listenToSignals((signal) => this.#heard(signal))
    try {
      return await this.#lives()
    } finally {
      forgetSignals()
    }
  }

  async #lives(): Promise<SidecarEnd> {
    const ready = await this.#keeper.start()
    if (ready === undefined) {
      await this.#keeper.finish()
      const signal = this.#phase.type === 'starting' ? this.#phase.signal : undefined
      return { type: 'ended', exitCode: exitCodeOfSignal(signal ?? 'SIGTERM') }
    }
    const end = await this.#application(ready)
    this.#phase = { type: 'draining' }
    clearTimeout(this.#stopTimer)
    await this.#keeper.finish()
    return end
  }

  /** From its start to its end. */
  async #application({ address }: Ready): Promise<SidecarEnd> {
    const signals: NodeJS.Signals[] = []
    this.#phase = { type: 'spawning', signals }
    const { command, args, environment } = this.#options
    const application = await Application.start({
      command,
      args,
      environment: { ...environment, PLEDGED_ADDRESS: address },
    })
    if (!(application instanceof Application)) return application
    this.#phase = { type: 'running', application }
    for (const signal of signals) this.#heard(signal)
    return { type: 'ended', exitCode: await application.ended }
  }

  #heard(signal: NodeJS.Signals): void {
    const phase = this.#phase
    switch (phase.type) {
      case 'starting':
        return this.#heardAtStart(signal, phase.signal)
      case 'spawning':
        phase.signals.push(signal)
        return
      case 'running':
        return this.#passOn(signal, phase.application)
      case 'draining':
        if (meansEnd(signal)) this.#keeper.hurry()
    }
  }

  /** There is no application that could make something of it. */
  #heardAtStart(signal: NodeJS.Signals, before: NodeJS.Signals | undefined): void {
    if (!meansEnd(signal)) return
    if (before !== undefined) return this.#keeper.hurry()
    this.#phase = { type: 'starting', signal }
    void this.#keeper.finish()
  }

  #passOn(signal: NodeJS.Signals, application: Application): void {
    if (isToBePassedOn(signal)) application.send(signal)
    const { stopTimeoutMs } = this.#options
    if (stopTimeoutMs === undefined || this.#stopTimer !== undefined || !STOPS.has(signal)) return
    this.#stopTimer = setTimeout(() => {
      this.#logger.error(
        { signal, timeout_ms: stopTimeoutMs },
        'the application did not end in time: it is killed (--stop-timeout)',
      )
      application.send('SIGKILL')
    }, stopTimeoutMs)
  }
}

/** Others are requests to many: to read a configuration again, to write down what they do. */
const STOPS: ReadonlySet<NodeJS.Signals> = new Set(['SIGTERM', 'SIGINT'])
