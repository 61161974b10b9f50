import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { RestoreReport } from '../../daemon/offline-log.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import { inheritanceJson, inheritedLines, notPresumedLines, recordsText } from '../inheritance-page.ts'
import type { Register } from '../session.ts'

export function addLogRestore(log: Command, register: Register): void {
  const command = describe(log.command('restore'), {
    summary: 'a log of a backup, under an id of its own, in a directory that holds none',
    description:
      'What the backup says stays true, and is delivered. The log that it was made of may have gone on: of its other transactions nothing is presumed, and their branches are left to a person. It lists what the log inherits, and what it must not presume.',
    examples: ['pledged log restore /backups/pledged-2026-11-02.backup ./pledged-data'],
    exitCodes: {
      done: 'the log is there, and a daemon can be started on it',
      usage: 'the directory holds a log already',
      internal: '',
      log: "the backup is damaged, or can't be read, or is none; or the directory can't be written, or is in use",
    },
  })
    .argument('<file>', 'a backup that `log backup` made')
    .argument('<dir>', 'the data directory to be made')
  register(command, async (session, _options, [file = '', directory = '']) => {
    const { restore } = await import('../../daemon/offline-log.ts')
    const report = restore(resolve(file), resolve(directory))
    if (session.settings.json) session.printJson(reportJson(report))
    else session.print(renderReport(report))
    return EXIT.done
  })
}

function reportJson({ file, directory, logId, backupTimeMs, restoreTimeMs, inherited }: RestoreReport) {
  const { log_id: ofLog, ...content } = inheritanceJson(inherited)
  return {
    file,
    directory,
    log_id: logId,
    restore_time: new Date(restoreTimeMs).toISOString(),
    backup_time: backupTimeMs === undefined ? null : new Date(backupTimeMs).toISOString(),
    inherited: { log_id: ofLog, ...content },
    not_presumed_log_ids: [ofLog, ...content.earlier_log_ids],
  }
}

function renderReport({ directory, logId, backupTimeMs, inherited }: RestoreReport): string[] {
  const made = backupTimeMs === undefined ? '' : `, of ${new Date(backupTimeMs).toISOString()}`
  return [
    `log ${logId} in ${directory}, restored from a backup of log ${inherited.logId}${made}: ${recordsText(inherited)}`,
    'inherited',
    ...inheritedLines(inherited).map(indent),
    'not presumed',
    ...notPresumedLines(inherited).map(indent),
  ]
}

function indent(line: string): string {
  return `  ${line}`
}
