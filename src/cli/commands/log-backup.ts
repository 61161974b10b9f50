import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { BackupReport } from '../../daemon/offline-log.ts'
import { EXIT } from '../exit-codes.ts'
import { describe } from '../help.ts'
import { inheritanceJson, inheritedLines, recordsText } from '../inheritance-page.ts'
import type { Register } from '../session.ts'
import { grouped } from '../text.ts'

export function addLogBackup(log: Command, register: Register): void {
  const command = describe(log.command('backup'), {
    summary: 'one file with all of the log in a directory, to be restored by `log restore`',
    description:
      'The daemon has to be stopped. The log is verified first, and not changed; a damaged one is not backed up. An existing file is never replaced. A backup is a last resort: what is decided after it was made is not in it.',
    examples: ['pledged log backup ./pledged-data /backups/pledged-2026-11-02.backup'],
    exitCodes: {
      done: 'the backup is complete, and on disk',
      usage: 'the file exists already',
      internal: '',
      log: "the log is damaged, can't be read, is in use, or there is none; or the file can't be written",
    },
  })
    .argument('<dir>', 'the data directory')
    .argument('<file>', 'the backup to be made')
  register(command, async (session, _options, [directory = '', file = '']) => {
    const { backup } = await import('../../daemon/offline-log.ts')
    const report = backup(resolve(directory), resolve(file))
    if (session.settings.json) session.printJson(reportJson(report))
    else session.print(renderReport(report))
    return EXIT.done
  })
}

function reportJson(report: BackupReport) {
  return {
    directory: report.directory,
    file: report.file,
    bytes: report.bytes,
    backup_time: new Date(report.timeMs).toISOString(),
    ...inheritanceJson(report),
  }
}

function renderReport(report: BackupReport): string[] {
  return [
    `log ${report.logId}, epoch ${report.epochNumber}: ${recordsText(report)}, in ${report.file} (${grouped(report.bytes)} bytes)`,
    ...inheritedLines(report),
  ]
}
