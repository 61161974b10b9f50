/** The processor time that another process has used, in seconds: by Linux's /proc (proc(5), "/proc/pid/stat"). */
import { readFileSync } from 'node:fs'

/** sysconf(_SC_CLK_TCK), which is this on every Linux. */
const TICKS_PER_SECOND = 100

/** NaN where there is no /proc. */
export function cpuSecondsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name of the program comes second, in parentheses, and may contain anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return Number.NaN
  }
}
