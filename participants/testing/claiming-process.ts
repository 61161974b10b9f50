/** Claims a group a number of times, and tells what it got. */
import { claimOwnerEpoch } from '../offsets/index.ts'

const [file = '', times = '0'] = process.argv.slice(2)
const epochs = Array.from({ length: Number(times) }, () => claimOwnerEpoch({ file, group: 'g' }))
process.send?.(epochs)
