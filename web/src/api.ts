// What the API answers. Names are the API's own; null means missing.

export interface RUL { p10: number | null; p50: number | null; p90: number | null }

export interface Summary {
  id: string; kind: string; group: string; criticality: number; state: string
  component: string; mode: string; risk: number | null; horizon_h: number | null; rul_h: RUL
  severity: number | null; alert: string | null; alerts: number; learning: boolean; updated: string | null
}

export interface Quantity {
  component?: string; source?: string; name: string; value: number | null; limit: number | null
  unit: string; text?: string; time?: string
}

export interface Evidence {
  source: string; name: string; value: number | null; limit: number | null; weight: number | null; text: string
}

export interface Verdict {
  time: string; asset: string; component: string; risk: number | null; horizon_h: number; anomaly: boolean
  ml_score: number | null; ml_p: number | null; physics_score: number | null; rule_score: number | null
  rul_h: RUL; mode: string; modes?: Record<string, number>; evidence?: Evidence[]
}

export interface Part {
  name: string; type: string; verdict: Verdict | null; alert: string | null; severity: number | null; physics: Quantity[]
}

export interface Channel { name: string; kind: string; unit: string; rate_hz: number; component?: string }

export interface Nameplate {
  id: string; kind: string; group?: string; speed_rpm?: number; load_n?: number
  channels?: Channel[]; components?: { name: string; type?: string }[]
}

export interface Detail extends Summary {
  nameplate: Nameplate; operation: string; speed_rpm: number | null; load_n: number | null
  components: Part[]; metrics: Quantity[]
}

export interface Series { key: string; unit: string; limit: number | null; times: string[]; values: (number | null)[] }

export interface Spectrum {
  time: string; channel: string; kind: string; unit: string; step_hz: number; bins: number[]
  marks?: { name: string; hz: number }[]
}

export interface Change { time: string; what: string; mode: string; severity: number; risk: number | null; rul_h: RUL }

export interface Alert {
  id: string; asset: string; component: string; mode: string; severity: number; opened: string; changed: string
  cleared: string | null; risk: number | null; horizon_h: number; rul_h: RUL; evidence: Evidence[]; changes?: Change[]
  current: { mode: string; severity: number; open: boolean }
}

export interface Order {
  id: string; alert: string; asset: string; component: string; mode: string; priority: number; title: string; text: string
  required_end: string; key: string; status: string; erp?: string; erp_number?: string; attempts: number
  problem?: string; created: string
}

export interface AlertDetail extends Alert {
  now: Verdict | null; orders: Order[]
  views: {
    trends: { key: string; limit: number | null; unit: string }[]; spectrum: { channel: string; at: string } | null
    ml: Evidence[]; physics: Evidence[]; rules: Evidence[]; against: Evidence[]; state: Quantity[]
  }
}

export interface PlantEvent { asset: string; time: string; kind: string; text: string }

export interface Status {
  event_time?: string; speed: number; notes: string[]; version: string; counts?: Record<string, number>
}

export type Message =
  | { type: "risk"; data: Verdict } | { type: "alert"; data: Alert }
  | { type: "order"; data: Order } | { type: "status"; data: Status }

/** Refused carries the one helpful line of a problem document. */
export class Refused extends Error {
  constructor(readonly status: number, detail: string) { super(detail) }
}

/** get fetches one resource; query values that are empty are left out. */
export async function get<T>(path: string, query: Record<string, string | number | string[] | undefined> = {}): Promise<T> {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(query)) {
    if (Array.isArray(v)) v.forEach(x => q.append(k, x))
    else if (v !== undefined && v !== "") q.set(k, String(v))
  }
  const text = q.toString()
  const r = await fetch("/api/v1/" + path + (text ? "?" + text : ""))
  const body = await r.json().catch(() => null)
  if (!r.ok) throw new Refused(r.status, body?.detail ?? `The service answered ${r.status}.`)
  return body as T
}

export const part = encodeURIComponent
