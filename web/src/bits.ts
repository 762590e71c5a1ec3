// Small pieces that several views show.

import type { Order, RUL } from "./api"
import { part } from "./api"
import { h, s } from "./dom"
import * as words from "./words"

/** Shape and word carry the meaning; colour only repeats it. */
const SHAPES: Record<string, string> = {
  s1: "M8 1l7 7-7 7-7-7z", s2: "M8 2l7 12H1z", s3: "M2 2h12v12H2z", s4: "M8 2a6 6 0 100 12A6 6 0 008 2zm0 2.2a3.8 3.8 0 110 7.6 3.8 3.8 0 010-7.6z",
  healthy: "M2 8.5l4 4 8-9", learning: "M8 2a6 6 0 105.7 4.1", silent: "M2 8h12",
}

export function badge(severity: number | null, state: string): HTMLElement {
  const kind = severity !== null ? "s" + severity : state === "watch" ? "s4" : SHAPES[state] ? state : "healthy"
  return h("span", { class: "badge " + kind },
    s("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: SHAPES[kind] ?? SHAPES.s4 })),
    severity !== null ? words.severity(severity) : words.state(state))
}

/** riskBar shows a probability as a figure with a bar beside it. */
export function riskBar(risk: number | null, horizon: number | null): HTMLElement {
  const bar = s("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "bar-back", width: 100, height: 6 }),
    s("rect", { class: "bar-fill", width: Math.max(risk === null ? 0 : 1.5, 100 * (risk ?? 0)), height: 6 }))
  const say = risk === null ? "no verdict yet" : `probability of failure within ${words.span(horizon)}: ${words.percent(risk)}`
  return h("span", { class: "risk", title: say }, h("b", { "aria-label": say }, words.percent(risk)), bar)
}

/** rulBand draws P10, P50 and P90 on a line that starts now. */
export function rulBand(r: RUL, horizon: number): HTMLElement {
  if (r.p10 === null && r.p50 === null) {
    return h("p", { class: "plain" }, "No source can say how long the component will last.")
  }
  const p10 = r.p10 ?? 0, p50 = r.p50, far = r.p90 === null
  const end = Math.max(r.p90 ?? Math.max(horizon, (p50 ?? p10) * 1.5), p10) * 1.08 || 1
  const x = (v: number) => (100 * v) / end
  const svg = s("svg", { class: "rul", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    s("rect", { class: "bar-back", x: 0, y: 4, width: 100, height: 2 }),
    s("rect", { class: far ? "rul-far" : "rul-band", x: x(p10), y: 1.5, width: Math.max(0.6, (far ? 100 : x(r.p90!)) - x(p10)), height: 7 }),
    p50 !== null && s("rect", { class: "rul-mid", x: Math.max(0, x(p50) - 0.3), y: 0, width: 0.6, height: 10 }))
  const cell = (label: string, v: string, note: string) => h("div", {}, h("dt", {}, label), h("dd", {}, v), h("dd", { class: "dim" }, note))
  return h("div", { class: "rul-wrap" }, svg,
    h("dl", { class: "rul-dl" },
      cell("P10", words.span(r.p10), "1 in 10 fails sooner"),
      cell("P50", p50 === null ? "beyond the horizon" : words.span(p50), "as likely before as after"),
      cell("P90", far ? "beyond the horizon" : words.span(r.p90), "9 in 10 fail sooner")))
}

/** orderCard shows the work that an alert asked for and where it stands in the ERP. */
export function orderCard(o: Order): HTMLElement {
  const row = (k: string, ...v: (Node | string)[]) => h("div", {}, h("dt", {}, k), h("dd", {}, ...v))
  return h("article", { class: "order", "data-testid": "work-order", "data-order": o.id, "aria-label": "Work order " + o.title },
    h("h3", {}, o.title, h("span", { class: "chip st-" + o.status }, words.orderStatus(o.status))),
    h("dl", { class: "facts" },
      row("ERP number", o.erp_number
        ? h("a", { href: "/erp/", "data-testid": "erp-number", title: "Open the ERP" }, o.erp_number)
        : h("span", { class: "dim" }, o.problem ? "none: " + o.problem : "not yet given")),
      row("Priority", `${o.priority} – ${words.severity(o.priority).toLowerCase()}`),
      row("Required by", words.when(o.required_end) + " UTC"),
      row("Created", words.when(o.created) + " UTC"),
      row("Key", h("code", {}, o.key))),
    o.problem && o.erp_number ? h("p", { class: "warn" }, "The ERP said: " + o.problem) : null,
    h("details", {}, h("summary", {}, "Text of the order"), h("pre", {}, o.text)))
}

export const assetLink = (id: string): HTMLElement => h("a", { href: "#/asset/" + part(id) }, id)

/** crumbs lead back to where a page hangs. */
export function crumbs(...steps: [string, string][]): HTMLElement {
  return h("nav", { class: "crumbs", "aria-label": "Where you are" },
    ...steps.flatMap(([text, href], i) => [i > 0 ? " / " : null, href ? h("a", { href }, text) : h("span", { "aria-current": "page" }, text)]))
}
