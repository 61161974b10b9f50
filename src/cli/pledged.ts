#!/usr/bin/env node
// The program. It imports nothing before it has looked at Node: an older one can't load what comes next (the
// SQLite addon would end the process without a word), and gets a sentence instead. So this file has to parse
// there too.

const major = Number(process.versions.node.split('.')[0])
const minor = Number(process.versions.node.split('.')[1])
const isNewEnough = major > 22 || (major === 22 && minor >= 14)

if (isNewEnough && Number(process.versions.napi) >= 10) {
  const { runProcess } = await import('./main.ts')
  await runProcess()
} else {
  process.stderr.write(
    `pledged: this is Node ${process.versions.node}, and Pledged needs Node 22.14 or newer: install one (https://nodejs.org), and start it with that\n`,
  )
  process.exitCode = 78
}
