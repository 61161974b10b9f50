/** A program that knows nothing of Pledged, with another SQLite library: runs SQL on a file and tells how it went. */
import SqliteDatabase from 'better-sqlite3'

const [file = '', sql = ''] = process.argv.slice(2)
const database = new SqliteDatabase(file)
try {
  database.exec(sql)
  process.stdout.write('done')
} catch (error) {
  process.stdout.write(error instanceof Error ? error.message : String(error))
} finally {
  database.close()
}
