/** One server of each kind for all files of a run: vitest's global set-up of the project `databases`. */
import type { TestProject } from 'vitest/node'
import { type DatabaseServer, startMariadb, startPostgres } from '../../../src/demo/servers/index.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Their administrators' URLs. */
    readonly postgresUrl: string
    readonly mariadbUrl: string
  }
}

let servers: readonly DatabaseServer[] = []

export async function setup(project: TestProject): Promise<void> {
  const [postgres, mariadb] = await Promise.all([startPostgres(), startMariadb()])
  servers = [postgres, mariadb]
  project.provide('postgresUrl', postgres.url)
  project.provide('mariadbUrl', mariadb.url)
}

export async function teardown(): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()))
}
