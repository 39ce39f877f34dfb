// The documents of /api/v1, as the page reads them. /api/v1/openapi.json says the same and is what is tested.
// Instants are RFC 3339 texts in nouns and integer nanoseconds in diagrams.

/**
 * @typedef {object} Row one leak site in one line
 * @property {string} id
 * @property {string} role
 * @property {string} title
 * @property {number} count
 * @property {string} entry
 * @property {string} service
 * @property {string} instance
 * @property {string} pool
 * @property {string} where
 * @property {boolean} is_code
 * @property {string} first_at
 * @property {string} last_at
 * @property {number | null} per_hour
 * @property {number | null} per_hour_low
 * @property {number | null} per_hour_high
 * @property {string | null} exhausted_at
 * @property {string | null} exhausted_from
 * @property {string | null} exhausted_to
 * @property {number | null} left
 * @property {number} starved
 * @property {string} suspect
 * @property {number} confidence
 * @property {string} dialect
 * @property {boolean} named
 * @property {number[]} out
 */

/**
 * @typedef {object} Coverage
 * @property {string} service
 * @property {string} instance
 * @property {string} pool
 * @property {"certain" | "inferred" | "counted" | "blind"} level
 * @property {string[]} dialects
 * @property {string} why
 * @property {string} hint
 */

/**
 * @typedef {object} Overview
 * @property {string} as_of
 * @property {string} role
 * @property {string} headline
 * @property {string} detail
 * @property {Row[]} rows
 * @property {number} matching
 * @property {Record<string, number>} counts
 * @property {Coverage[]} coverage
 * @property {Record<string, number>} levels
 * @property {string[]} services
 * @property {string[]} pools
 */

/** @typedef {{kind: "observed" | "inferred", text: string, trace_id: string, span_id: string}} Evidence */

/** @typedef {{trace_id: string, span_id: string | null, connection_id: string | null, acquired_at: string, held_seconds: number}} LeakedHold */

/**
 * @typedef {object} Finding
 * @property {string} id
 * @property {string} verdict
 * @property {number} confidence
 * @property {string} family
 * @property {string} dialect
 * @property {string} service
 * @property {string} instance
 * @property {string} pool
 * @property {string} entry
 * @property {string | null} code
 * @property {string | null} statement
 * @property {number} leaked_count
 * @property {string} first_at
 * @property {string} last_at
 * @property {number | null} per_hour
 * @property {string | null} exhausted_at
 * @property {number} starved_requests
 * @property {Evidence[]} evidence
 * @property {LeakedHold[]} instances
 * @property {Impact | null} [impact]
 * @property {Suspect[]} [suspects]
 */

/** @typedef {{entry: string, count: number, low: number, high: number, trace_ids: string[]}} Suspect */

/**
 * @typedef {object} Impact
 * @property {number | null} per_hour_low
 * @property {number | null} per_hour_high
 * @property {number | null} pool_size
 * @property {number | null} left
 * @property {string | null} exhausted_from
 * @property {string | null} exhausted_to
 * @property {number} waits
 * @property {number} starved
 * @property {number} starved_seconds
 * @property {number} timeouts
 */

/** @typedef {{at: string, verdict: string, leaked_count: number, reason: string}} FindingChange */

/** @typedef {{at: number, label: string}} Tick */
/** @typedef {{start: number, end: number, ticks: Tick[], clock: boolean}} Axis */
/** @typedef {{start: number, end: number, role: string, label: string}} Segment */
/** @typedef {{at: number, role: string, label: string}} Marker */

/**
 * @typedef {object} Lane
 * @property {string} id
 * @property {string} label
 * @property {string} role
 * @property {Segment[]} segments
 * @property {Marker[]} markers
 * @property {string} detail
 * @property {string} note
 * @property {string} group
 * @property {number} depth
 * @property {string} endless
 * @property {string} trace_id
 */

/** @typedef {{at: number, used: number | null, max: number | null, pending: number | null}} Sample */
/** @typedef {{label: string, samples: Sample[], says: string}} Occupancy */

/**
 * @typedef {object} Timeline
 * @property {string} title
 * @property {string} caption
 * @property {Axis} axis
 * @property {Lane[]} lanes
 * @property {Occupancy | null} occupancy
 * @property {Occupancy[]} beside
 * @property {string[]} folded
 * @property {string[]} notes
 */

/** @typedef {{id: string, label: string, role: string, detail: string, group: string}} GraphNode */
/** @typedef {{source: string, target: string, role: string, label: string, weight: number}} GraphEdge */
/** @typedef {{title: string, caption: string, nodes: GraphNode[], edges: GraphEdge[], folded: string[], notes: string[]}} Graph */

/**
 * @typedef {object} Stretch lanes `first` … of a trace's `total`
 * @property {number} total
 * @property {number} first
 * @property {Timeline} timeline
 * @property {number[]} below
 * @property {number[]} errors
 * @property {number[]} missing
 * @property {number[]} holds
 * @property {number | null} before spans to skip for the stretch before, of a very long trace
 * @property {number | null} after
 */

/** @typedef {{at: string, name: string, attributes: Record<string, string>}} SpanEvent */
/** @typedef {{trace_id: string, span_id: string, attributes: Record<string, string>}} SpanLink */

/**
 * @typedef {object} Span
 * @property {string} trace_id
 * @property {string} span_id
 * @property {string} parent_id
 * @property {string} name
 * @property {string} kind
 * @property {string} service
 * @property {string} instance
 * @property {string} start
 * @property {number} duration
 * @property {string} status
 * @property {string} status_message
 * @property {string} scope
 * @property {string} scope_version
 * @property {Record<string, string>} attributes
 * @property {Record<string, string>} resource
 * @property {SpanEvent[]} events
 * @property {SpanLink[]} links
 */

/** @typedef {{at: string, trace_id: string, span_id: string, service: string, severity: string, body: string, event_name: string, attributes: Record<string, string>}} LogRecord */

/** @typedef {{trace_id: string, root_service: string, root_name: string, start: string, duration: number, span_count: number, error_count: number, services: string[]}} TraceSummary */

/**
 * @typedef {object} PoolReport
 * @property {string} service
 * @property {string} instance
 * @property {string} pool
 * @property {string} system
 * @property {Coverage} coverage
 * @property {number | null} used
 * @property {number | null} idle
 * @property {number | null} max
 * @property {number | null} pending
 * @property {number | null} timeouts
 * @property {number | null} open_holds
 * @property {number} leaked
 * @property {number} suspected
 * @property {string} last_at
 */

/** @typedef {{service: string, instance: string, spans: number, first_at: string, last_at: string, scopes: string[]}} ServiceReport */
/** @typedef {{name: string, ok: boolean, detail: string, hint: string}} Check */
/** @typedef {{version: string, checks: Check[], settings: Record<string, string>}} Status */

/**
 * @typedef {object} View what a place shows
 * @property {string} title
 * @property {HTMLElement} element
 * @property {(event?: string) => void} [refresh] read again: something was judged, or the server is back
 * @property {import("./keys.js").Key[]} [keys]
 * @property {() => void} [close]
 */

export {};
