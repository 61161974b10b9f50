/** What the command line gives the daemon. What it leaves out comes from the environment, the file, the defaults. */

/** As process.env. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Flags, as they were typed: the daemon checks them together with the rest of the configuration. */
export interface DaemonOptions {
  /** --config */
  readonly configFile?: string | undefined
  /** --listen: HOST:PORT or unix:PATH */
  readonly listen?: string | undefined
  /** --http-listen: HOST:PORT or unix:PATH */
  readonly httpListen?: string | undefined
  /** --data-dir */
  readonly dataDir?: string | undefined
  /** --insecure */
  readonly insecure?: boolean | undefined
  /** --log-level */
  readonly logLevel?: string | undefined
  /** Where http_listen is when nobody says anything, in the place of the usual port. */
  readonly httpListenDefault?: string | undefined
}
