/** The tree of commands. */
import { Command } from 'commander'
import { packageVersion } from '../embedding/build-info.ts'
import { addAudit } from './commands/audit.ts'
import { addCheck } from './commands/check.ts'
import { addConformance } from './commands/conformance.ts'
import { addDemo } from './commands/demo.ts'
import { addDiff } from './commands/diff.ts'
import { addLogBackup } from './commands/log-backup.ts'
import { addLogDump } from './commands/log-dump.ts'
import { addLogRestore } from './commands/log-restore.ts'
import { addLogVerify } from './commands/log-verify.ts'
import { addParticipantList } from './commands/participant-list.ts'
import { addParticipantPause, addParticipantResume } from './commands/participant-pause.ts'
import { addParticipantServe } from './commands/participant-serve.ts'
import { addParticipantShow } from './commands/participant-show.ts'
import { addRun } from './commands/run.ts'
import { addServe } from './commands/serve.ts'
import { addStatus } from './commands/status.ts'
import { addTransactionAcknowledge } from './commands/transaction-acknowledge.ts'
import { addTransactionForgetBranch } from './commands/transaction-forget-branch.ts'
import { addTransactionList } from './commands/transaction-list.ts'
import { addTransactionResolve } from './commands/transaction-resolve.ts'
import { addTransactionRetry } from './commands/transaction-retry.ts'
import { addTransactionShow } from './commands/transaction-show.ts'
import { describe } from './help.ts'
import { type Register, Session, type Surroundings } from './session.ts'
import { addGlobalOptions } from './settings.ts'

const TRANSACTION_COMMANDS = [
  addTransactionList,
  addTransactionShow,
  addTransactionResolve,
  addTransactionRetry,
  addTransactionAcknowledge,
  addTransactionForgetBranch,
] as const

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
  addRun(program, register)
  addDemo(program, register)
  addStatus(program, register)
  addCheck(program, register)
  const transactions = program.command('tx').description('transactions: list them, look at one, act on one')
  for (const add of TRANSACTION_COMMANDS) add(transactions, register)
  addDiff(program, register)
  addAudit(program, register)
  const participants = program.command('participant').description('participants: list, pause, serve them')
  addParticipantList(participants, register)
  addParticipantShow(participants, register)
  addParticipantPause(participants, register)
  addParticipantResume(participants, register)
  addParticipantServe(participants, register)
  addConformance(program, register)
  const log = program
    .command('log')
    .description('the log of a daemon that is stopped: verify, dump, back up, restore it')
  addLogVerify(log, register)
  addLogDump(log, register)
  addLogBackup(log, register)
  addLogRestore(log, register)
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
