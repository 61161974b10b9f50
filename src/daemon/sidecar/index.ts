/**
 * The sidecar: `pledged run -- COMMAND`, a daemon that lives and ends with one application.
 *
 * Three processes: this supervisor, which holds nothing and so may die; the daemon part, which is what `pledged serve`
 * runs, on a unix socket of its own; and the application, whose environment says PLEDGED_ADDRESS.
 *
 * - The application starts when the daemon part takes requests on, and the daemon part drains when it has ended.
 * - The application's exit code is the supervisor's, whatever the drain met: that is told on standard error.
 * - A daemon part that ends is started again, for as long as the application lives, on the same socket.
 * - A supervisor that dies takes the daemon part along, in order: it drains, and nothing holds the data directory.
 */
export { runSidecar, type SidecarEnd, type SidecarOptions } from './run-sidecar.ts'
