/** What the user of a private database server sees. */

export type ServerSettings = Readonly<Record<string, string>>

export interface ServerOptions {
  /** The server's own settings, over those that fit a small private instance. */
  readonly settings?: ServerSettings | undefined
  /** Where it lives; a new temporary directory by default, which goes with the server. One given is left alone. */
  readonly directory?: string | undefined
}

export interface DatabaseServer {
  readonly kind: 'postgres' | 'mariadb'
  /** Of its administrator, password included. */
  readonly url: string
  readonly directory: string
  /** On 127.0.0.1; the same through every restart. */
  readonly port: number
  /** Of the server that runs now: a direct child of this process. */
  readonly pid: number
  readonly running: boolean
  /** A database and a user of its own, who may do in it what a participant needs and nothing elsewhere: their URL. */
  createDatabase(name: string): Promise<string>
  /** kill -9. Resolves when the process is gone. */
  kill(): Promise<void>
  /** Again, on the same data and port: after `kill`, or after `halt`. Other settings hold until the next start. */
  start(settings?: ServerSettings): Promise<void>
  /** An orderly end; the data stay. */
  halt(): Promise<void>
  /** An orderly end, after which nothing is left of it but a directory that was given. */
  stop(): Promise<void>
}
