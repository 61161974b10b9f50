/** Pledged's tables in the user's database, and the statements that touch them. */
import { messageOf, PledgedError } from '../../src/sdk/participant/index.ts'
import { DatabaseFailure } from '../shared/servers/database-failure.ts'
import { DENIED } from './errors.ts'
import { READ_RESOURCE_ID } from './identity.ts'
import { type Session, type StatementOptions, textOf } from './session.ts'

/** Names compare byte by byte, whatever the database's collation. */
const NAME = 'CHARACTER SET ascii COLLATE ascii_bin NOT NULL'

/**
 * Of a witness, `session_id` and `changed_rows` are for people and for ./ending.ts, which looks for the session that still
 * holds a prepared branch: nothing is concluded from them. `pledged_meta` has the durable id of the database (R10).
 */
const DEFINITIONS = {
  pledged_witness: `CREATE TABLE IF NOT EXISTS pledged_witness (
    xid VARCHAR(64) ${NAME},
    branch VARCHAR(32) ${NAME},
    outcome VARCHAR(9) ${NAME},
    time TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    session_id BIGINT UNSIGNED NULL,
    changed_rows BIGINT UNSIGNED NULL,
    PRIMARY KEY (xid, branch)
  ) ENGINE=InnoDB`,
  pledged_logs: `CREATE TABLE IF NOT EXISTS pledged_logs (
    log_id VARCHAR(12) ${NAME},
    epoch VARCHAR(16) ${NAME},
    last_seen TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    PRIMARY KEY (log_id)
  ) ENGINE=InnoDB`,
  pledged_meta: `CREATE TABLE IF NOT EXISTS pledged_meta (
    name VARCHAR(32) ${NAME},
    value VARCHAR(64) ${NAME},
    PRIMARY KEY (name)
  ) ENGINE=InnoDB`,
} as const

type TableName = keyof typeof DEFINITIONS
const TABLE_NAMES = Object.keys(DEFINITIONS) as readonly TableName[]

/** Without a row, so without a lock: what the user may not do is refused nevertheless. */
const PROBES: readonly string[] = [
  "INSERT INTO pledged_witness (xid, branch, outcome) SELECT '', '', '' FROM DUAL WHERE FALSE",
  "DELETE FROM pledged_witness WHERE xid = '' AND branch = ''",
  "SELECT outcome, session_id, changed_rows, time FROM pledged_witness WHERE xid = '' AND branch = ''",
  "INSERT INTO pledged_logs (log_id, epoch) SELECT '', '' FROM DUAL WHERE FALSE",
  "UPDATE pledged_logs SET epoch = '', last_seen = CURRENT_TIMESTAMP(3) WHERE log_id = ''",
  "SELECT epoch FROM pledged_logs WHERE log_id = ''",
]

const DRAW_RESOURCE_ID = "INSERT IGNORE INTO pledged_meta (name, value) VALUES ('resource_id', UUID())"

export interface TableOptions extends StatementOptions {
  readonly user: string
}

/** Makes them where the user may; else throws CONFIGURATION with the statements for someone who may. */
export async function ensureTables(session: Session, options: TableOptions): Promise<void> {
  const missing = await missingTables(session, options)
  for (const name of missing) {
    await orUnusable(`${name} is missing, and can not be made`, options, () =>
      session.command(DEFINITIONS[name], options),
    )
  }
  for (const probe of PROBES) {
    await orUnusable('can not be used', options, () => session.command(probe, options))
  }
}

/** Drawn once; two participants that draw at the same time get the same. */
export async function ensureResourceId(session: Session, options: TableOptions): Promise<string> {
  const read = async (): Promise<string | undefined> => {
    const [row] = await session.rows(READ_RESOURCE_ID, [], options)
    return row === undefined ? undefined : textOf(row, 'value')
  }
  const id = await orUnusable('can not be used', options, async () => {
    const known = await read()
    if (known !== undefined) return known
    await session.command(DRAW_RESOURCE_ID, options)
    return read()
  })
  if (id !== undefined) return id
  throw new PledgedError(
    'CONFIGURATION',
    'the table pledged_meta lost its row: the database is being changed',
  )
}

async function missingTables(session: Session, options: TableOptions): Promise<readonly TableName[]> {
  const rows = await session.rows(
    `SELECT table_name AS name, engine AS engine FROM information_schema.tables
      WHERE table_schema = DATABASE() AND table_name IN (${TABLE_NAMES.map((name) => `'${name}'`).join(', ')})`,
    [],
    options,
  )
  const engines = new Map(rows.map((row) => [textOf(row, 'name'), textOf(row, 'engine')]))
  for (const [name, engine] of engines) {
    if (engine === 'InnoDB') continue
    throw new PledgedError(
      'CONFIGURATION',
      `the table ${name} is of the engine ${engine}, which can not commit with a branch: ALTER TABLE ${name} ENGINE=InnoDB`,
    )
  }
  return TABLE_NAMES.filter((name) => !engines.has(name))
}

async function orUnusable<T>(why: string, { user }: TableOptions, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof DatabaseFailure) || !DENIED.has(error.code)) throw error
    const definitions = Object.values(DEFINITIONS).map((definition) => definition.replace(/\s+/g, ' '))
    const grants = [
      `GRANT SELECT, INSERT, DELETE ON pledged_witness TO ${user}`,
      `GRANT SELECT, INSERT, UPDATE ON pledged_logs TO ${user}`,
      `GRANT SELECT, INSERT ON pledged_meta TO ${user}`,
    ]
    throw new PledgedError(
      'CONFIGURATION',
      `of Pledged's tables, ${why}: ${messageOf(error)}. Let someone who may run in this database: ` +
        [...definitions, ...grants].join('; '),
    )
  }
}
