/** What a command works with: where it writes, what was asked of it, and the daemon, if it wants one. */
import type { Command } from 'commander'
import type { PledgedError } from '../base/errors.ts'
import type { Xid } from '../base/ids.ts'
import type { Clock } from '../base/ports.ts'
import { AdminClient } from './admin-client.ts'
import type { Environment } from './environment.ts'
import { EXIT } from './exit-codes.ts'
import { readSettings, type Settings } from './settings.ts'
import { type Paint, painter } from './style.ts'
import type { TableLayout } from './table.ts'
import type { Terminal } from './terminal.ts'
import { parseXidArgument, resolveXid } from './xid-argument.ts'

export interface Surroundings {
  readonly terminal: Terminal
  readonly environment: Environment
  readonly clock: Clock
}

export class Session {
  readonly settings: Settings
  readonly terminal: Terminal
  readonly environment: Environment
  readonly paint: Paint
  readonly #clock: Clock

  constructor(command: Command, { terminal, environment, clock }: Surroundings) {
    this.settings = readSettings(command, environment)
    this.terminal = terminal
    this.environment = environment
    this.paint = painter(terminal.color && this.settings.color)
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.wallMs()
  }

  get layout(): TableLayout {
    return { isTerminal: this.terminal.isTerminal, columns: this.terminal.columns, paint: this.paint }
  }

  printJson(document: unknown): void {
    this.terminal.out(`${JSON.stringify(document, undefined, this.terminal.isTerminal ? 2 : undefined)}\n`)
  }

  print(lines: readonly string[]): void {
    this.terminal.out(lines.map((line) => `${line}\n`).join(''))
  }

  /** For a person only: not with --quiet, and not beside JSON. */
  note(line: string): void {
    if (!this.settings.quiet && !this.settings.json) this.terminal.note(line)
  }

  /** The daemon has said no, for a reason that the person must know: bad news, and no mistake of theirs. */
  refused({ code, message }: Pick<PledgedError, 'code' | 'message'>): number {
    this.terminal.note(
      this.settings.json ? JSON.stringify({ error: { code, message } }) : `refused: ${message}`,
    )
    return EXIT.badNews
  }

  /** Throws MALFORMED_XID and XID_NOT_FOUND. */
  async xid(text: string): Promise<Xid> {
    const argument = parseXidArgument(text)
    return argument.type === 'whole' ? argument.xid : await this.ask((client) => resolveXid(argument, client))
  }

  async ask<Answer>(question: (client: AdminClient) => Promise<Answer>): Promise<Answer> {
    using client = new AdminClient(this.settings)
    return await question(client)
  }
}

/** Does what the command says, and answers with the exit code, its own or that of what it ran. */
export type Handler<Options> = (
  session: Session,
  options: Options,
  args: readonly string[],
) => Promise<number>

/** Hands a command its handler. Commands see nothing of commander's but their definition. */
export type Register = <Options>(command: Command, handler: Handler<Options>) => void
