/** What the demo calls its things. */
export const GROUP = 'demo'
export const TOPIC = 'events'
export const PARTITION = 0
export const BATCH = 50

/** The sink can hold an event twice: only so can a duplicate be seen. */
export const SINK_SCHEMA =
  'CREATE TABLE events (id INTEGER PRIMARY KEY, event INTEGER NOT NULL, payload TEXT NOT NULL)'
