/** Whether a signal of the keyboard reaches the application by itself. */
import { readFileSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Ctrl-C and Ctrl-\ go to every process of the terminal's foreground group. */
export const KEYBOARD_SIGNALS: ReadonlySet<NodeJS.Signals> = new Set(['SIGINT', 'SIGQUIT'])

/** This process and its application are in the foreground of a terminal. */
export function isInForeground(): boolean {
  try {
    return isForegroundStat(readFileSync('/proc/self/stat', 'utf8'))
  } catch {
    // No /proc: on another system the streams tell nearly as well.
    return [0, 1, 2].some((descriptor) => isatty(descriptor))
  }
}

/** proc_pid_stat(5): pid (comm) state ppid pgrp session tty_nr tpgid ...; comm may hold anything, ')' included. */
export function isForegroundStat(stat: string): boolean {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [, , group, , terminal, foregroundGroup] = fields
  return terminal !== '0' && group === foregroundGroup
}
