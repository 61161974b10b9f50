/**
 * Many histories on all cores. A history follows from its seed and index alone, so that which thread runs it, and
 * when, changes nothing but the order in which they are counted.
 */
export { type Progress, simulateInThreads, type ThreadedSimulation } from './simulate-in-threads.ts'
