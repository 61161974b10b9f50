/** The tree of commands. */
import { Command } from 'commander'
import { packageVersion } from '../daemon/build-info.ts'
import { addCheck } from './commands/check.ts'
import { addConformance } from './commands/conformance.ts'
import { addDemo } from './commands/demo.ts'
import { addLogDump } from './commands/log-dump.ts'
import { addLogVerify } from './commands/log-verify.ts'
import { addParticipantList } from './commands/participant-list.ts'
import { addParticipantServe } from './commands/participant-serve.ts'
import { addServe } from './commands/serve.ts'
import { addStatus } from './commands/status.ts'
import { addTransactionList } from './commands/transaction-list.ts'
import { addTransactionShow } from './commands/transaction-show.ts'
import { describe } from './help.ts'
import { type Register, Session, type Surroundings } from './session.ts'
import { addGlobalOptions } from './settings.ts'

/** Narrow enough to read, where nobody knows how wide the reader's page is. */
const HELP_COLUMNS = 100

export function createProgram(surroundings: Surroundings, ended: (exitCode: number) => void): Command {
  const program = new Command('pledged')
  configure(program, surroundings)
  addGlobalOptions(program)
  const register: Register = (command, handler) => {
    command.action(async () => {
      const session = new Session(command, surroundings)
      ended(await handler(session, command.opts() as unknown as Parameters<typeof handler>[1], command.args))
    })
  }
  addServe(program, register)
  addDemo(program, register)
  addStatus(program, register)
  addCheck(program, register)
  const transactions = program.command('tx').description('transactions: list them, look at one')
  addTransactionList(transactions, register)
  addTransactionShow(transactions, register)
  const participants = program.command('participant').description('participants: list them, serve one')
  addParticipantList(participants, register)
  addParticipantServe(participants, register)
  addConformance(program, register)
  const log = program.command('log').description('the log of a daemon that is stopped: verify it, dump it')
  addLogVerify(log, register)
  addLogDump(log, register)
  return program
}

/** Inherited by the commands that are added later. */
function configure(program: Command, { terminal }: Surroundings): void {
  const columns = terminal.columns ?? HELP_COLUMNS
  describe(program, {
    summary: 'a two-phase-commit coordinator: several systems change together or not at all',
    examples: ['pledged demo', 'pledged serve --config pledged.yaml', 'pledged tx list --in-doubt'],
    exitCodes: {
      done: '',
      badNews: 'the answer is bad news: aborted, verification failed, refused',
      usage: '',
      noSuchThing: 'no such thing: xid, participant',
      unreachable: '',
      internal: '',
      log: '',
      unknown: "the outcome is unknown, or the drain wasn't complete: ask again",
      notPermitted: '',
      configuration: '',
    },
  })
    .version(packageVersion(), '-V, --version', 'the version of this program')
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.note(text.trimEnd()),
      // Told by whoever catches it, in the form that was asked for.
      outputError: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      getOutHasColors: () => terminal.color,
      getErrHasColors: () => false,
    })
}
