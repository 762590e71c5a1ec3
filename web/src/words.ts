// How figures and codes are said.

import type { RUL } from "./api"

const MODES: Record<string, string> = {
  "inner-race": "inner-race damage", "outer-race": "outer-race damage", "rolling-element": "rolling-element damage",
  cage: "cage damage", crack: "crack", wear: "wear", imbalance: "imbalance", misalignment: "misalignment",
  looseness: "looseness", "gear-tooth": "gear-tooth damage", lubrication: "poor lubrication", overheating: "overheating",
  icing: "icing", electrical: "electrical fault", sensor: "sensor fault", unknown: "unusual behaviour, cause unknown",
}

export const mode = (m: string): string => MODES[m] ?? (m ? m.replace(/[-_]/g, " ") : "")

export const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** name turns an identifier into words: gearbox_acc/rms → gearbox acceleration · RMS. */
export const name = (id: string): string =>
  id.replace(/[-_]/g, " ").replace("/", " · ").replace(/\bacc\b/g, "acceleration").replace(/\btemp\b/g, "temperature")
    .replace(/\b(hss|ims|lss|de|nde|rms|bpfo|bpfi|bsf|ftf|iso)\b/gi, t => t.toUpperCase())

const SEVERITY = ["", "Act now", "Plan soon", "Plan", "Watch"]
export const severity = (n: number): string => SEVERITY[n] ?? "Severity " + n

const STATES: Record<string, string> = {
  learning: "Learning", silent: "Silent", healthy: "Healthy", watch: "Watch", alert: "Alert",
}
export const state = (t: string): string => STATES[t] ?? title(t)

const LIFE: Record<string, string> = { maintenance: "in maintenance", retired: "retired", error: "out of order" }

/** operation says how an asset stands: out of the ordinary as its life cycle has it, else whether it turns. */
export const operation = (life: string, rpm: number | null): string =>
  LIFE[life] ?? (rpm !== null && rpm < 1 ? "standing still" : "running")

const ORDER: Record<string, string> = {
  open: "waiting to be sent", sent: "in the ERP", parked: "parked: a person has to look", completed: "work completed",
}
export const orderStatus = (t: string): string => ORDER[t] ?? t

/** num writes three significant digits, with thousands set apart. */
export function num(v: number | null | undefined, digits = 3): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–"
  const a = Math.abs(v)
  if (a !== 0 && (a < 1e-3 || a >= 1e7)) return v.toExponential(1).replace("e", "·10^").replace("+", "")
  if (a >= 100) return Math.round(v).toLocaleString("en-GB")
  return String(Number(v.toPrecision(digits)))
}

export function withUnit(v: number | null | undefined, unit = ""): string {
  const text = num(v)
  return text === "–" || !unit || unit === "1" ? text : `${text} ${unit}`
}

/** percent of a probability; small ones stay honest. */
export function percent(p: number | null | undefined): string {
  if (p === null || p === undefined) return "–"
  if (p > 0 && p < 0.01) return "< 1 %"
  if (p > 0.99 && p < 1) return "> 99 %"
  return Math.round(100 * p) + " %"
}

/** span says how long h hours are: 5 hours, 12 days, 8 months. */
export function span(h: number | null | undefined): string {
  if (h === null || h === undefined) return "–"
  const say = (n: number, unit: string) => `${n} ${unit}${n === 1 ? "" : "s"}`
  if (h < 1) return say(Math.max(1, Math.round(h * 60)), "minute")
  if (h < 48) return say(Math.round(h), "hour")
  const days = h / 24
  if (days < 121) return say(Math.round(days), "day")
  if (days < 730) return say(Math.round(days / 30.4), "month")
  return say(Math.round(days / 365), "year")
}

/** rul says a remaining life with its band. */
export function rul(r: RUL): string {
  if (r.p50 !== null) return `about ${span(r.p50)}`
  if (r.p10 !== null) return `more than ${span(r.p10)}`
  return "–"
}

export function band(r: RUL): string {
  if (r.p10 === null && r.p90 === null) return ""
  if (r.p50 === null && r.p90 === null) return ""
  if (r.p90 === null) return `${span(r.p10)} or more`
  return `${span(r.p10)} to ${span(r.p90)}`
}

const two = (n: number): string => String(n).padStart(2, "0")
const MONTH = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** when writes an instant in UTC: 12 Mar 2026, 14:05. */
export function when(iso: string | number | null | undefined): string {
  if (iso === null || iso === undefined || iso === "") return "–"
  const d = new Date(iso)
  return `${d.getUTCDate()} ${MONTH[d.getUTCMonth()]} ${d.getUTCFullYear()}, ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`
}

/** ago says how long before the plant's own clock an instant was. */
export function ago(iso: string | null | undefined, now: number): string {
  if (!iso) return "never"
  const h = (now - Date.parse(iso)) / 3.6e6
  return h < 1 / 60 ? "just now" : span(h) + " ago"
}

const VIEW: Record<string, string> = { ml: "Trained model", physics: "Physical law", rule: "Limit" }
export const view = (source: string): string => {
  const [v, ...rest] = source.split("/")
  return (VIEW[v] ?? title(v)) + (rest.length ? ": " + name(rest.join("/")) : "")
}

/** list joins words as a sentence does. */
export const list = (words: string[]): string =>
  words.length < 2 ? words.join("") : words.slice(0, -1).join(", ") + " and " + words[words.length - 1]
