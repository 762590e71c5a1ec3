import { get, part, type Message, type Summary, type Verdict } from "./api"
import { badge, riskBar } from "./bits"
import { spark } from "./chart"
import { h, paced, swap } from "./dom"
import type { View } from "./main"
import { plantNow } from "./plant"
import * as words from "./words"

const FILTERS: { key: string; label: string; test(a: Summary): boolean }[] = [
  { key: "s1", label: "Act now", test: a => a.severity === 1 },
  { key: "s2", label: "Plan soon", test: a => a.severity === 2 },
  { key: "s3", label: "Plan", test: a => a.severity === 3 },
  { key: "s4", label: "Watch", test: a => a.severity === null ? a.state === "watch" : a.severity >= 4 },
  { key: "healthy", label: "Healthy", test: a => a.severity === null && a.state === "healthy" },
  { key: "learning", label: "Learning", test: a => a.severity === null && a.state === "learning" },
  { key: "silent", label: "Silent", test: a => a.severity === null && a.state === "silent" },
]

interface Row { el: HTMLTableRowElement; trend: HTMLElement; told: string; visible: boolean; drawn: number; component: string }

/** fleet lists every asset, worst first. */
export function fleet(): View {
  let assets: Summary[] = [], filter = "", loading = false
  const rows = new Map<string, Row>()
  const counts = h("div", { class: "counts", role: "group", "aria-label": "How many, by state" })
  const body = h("tbody")
  const lede = h("p", { class: "lede" }, "Reading the fleet…")
  const table = h("table", { class: "fleet" },
    h("thead", {}, h("tr", {}, ...["Asset", "State", "What", "Risk", "Remaining life", "Risk over 30 days", "Heard"].map(t => h("th", { scope: "col" }, t)))), body)
  const el = h("div", { class: "page" }, h("h1", {}, "Fleet"), lede, counts, table)

  const seen = new IntersectionObserver(es => {
    for (const e of es) {
      const row = rows.get((e.target as HTMLElement).dataset.asset!)
      if (row) row.visible = e.isIntersecting
    }
    sparks()
  }, { rootMargin: "600px" })

  async function load(): Promise<void> {
    if (loading) return
    loading = true
    try { assets = (await get<{ assets: Summary[] }>("assets")).assets } finally { loading = false }
    draw()
  }

  function draw(): void {
    lede.textContent = sentence(assets)
    swap(counts, ...FILTERS.map(f => ({ f, n: assets.filter(f.test).length })).filter(x => x.n > 0 || x.f.key === filter).map(({ f, n }) =>
      h("button", {
        type: "button", class: "count " + f.key, "aria-pressed": String(filter === f.key), "data-focus": f.key,
        onclick: () => { filter = filter === f.key ? "" : f.key; draw() },
      }, h("b", {}, n), badge(/^s\d/.test(f.key) ? Number(f.key[1]) : null, f.key))))
    const test = FILTERS.find(f => f.key === filter)?.test ?? (() => true)
    const shown = assets.filter(test)
    const order = shown.map(a => rowOf(a).el)
    const same = order.length === body.children.length && order.every((r, i) => body.children[i] === r)
    if (!same) {
      const focus = document.activeElement as HTMLElement | null
      body.replaceChildren(...order)
      if (focus && body.contains(focus)) focus.focus({ preventScroll: true })
    }
    sparks()
  }

  function rowOf(a: Summary): Row {
    let row = rows.get(a.id)
    if (!row) {
      row = { el: h("tr", { "data-testid": "fleet-row", "data-asset": a.id }), trend: h("span"), told: "", visible: false, drawn: -Infinity, component: "" }
      rows.set(a.id, row)
      seen.observe(row.el)
    }
    const told = JSON.stringify(a) + words.ago(a.updated, plantNow())
    if (told !== row.told) {
      row.told = told
      swap(row.el, ...cells(a, row.trend))
      row.el.className = a.severity !== null ? "sev s" + a.severity : a.state
    }
    if (row.component !== a.component) { row.component = a.component; row.drawn = -Infinity }
    return row
  }

  /** sparks fetches the risk history of rows in sight, a few at a time. */
  const sparks = paced(300, () => {
    const due = [...rows].filter(([, r]) => r.visible && r.component && performance.now() - r.drawn > 15000).slice(0, 6)
    for (const [id, row] of due) {
      row.drawn = performance.now()
      const from = new Date(plantNow() - 30 * 864e5).toISOString().replace(/\.\d+Z/, "Z")
      get<{ risks: Verdict[] }>(`assets/${part(id)}/risks`, { component: row.component, from, max: 60 })
        .then(({ risks }) => row.trend.replaceChildren(spark(risks.map(r => r.risk))))
        .catch(() => { row.drawn = performance.now() - 10000 })
    }
    if (due.length === 6) sparks()
  })

  const refresh = paced(1500, () => void load().catch(() => undefined))
  const stale = window.setInterval(sparks, 5000)
  return {
    el, title: "Fleet", nav: "fleet", load,
    message(m: Message) { if (m.type !== "order") refresh() },
    destroy() { refresh.stop(); sparks.stop(); seen.disconnect(); window.clearInterval(stale) },
  }
}

function cells(a: Summary, trend: HTMLElement): HTMLElement[] {
  const what = a.severity === null && a.state === "learning"
    ? h("span", { class: "dim" }, "Learning what healthy looks like; no verdict yet")
    : a.severity === null && !a.mode ? h("span", { class: "dim" }, a.component ? "Nothing to report" : "No verdict yet")
      : a.state === "healthy" ? h("span", { class: "dim" }, `${words.title(words.name(a.component))}: a hint of ${words.mode(a.mode)}, below what raises an alert`)
      : h("span", {}, h("b", {}, words.title(words.name(a.component))), a.mode ? h("span", { class: "mode" }, words.mode(a.mode)) : null)
  const td = (label: string, cls: string, ...c: (Node | string | null)[]) => h("td", { "data-label": label, class: cls }, ...c)
  return [
    h("th", { scope: "row" }, h("a", { class: "row-link", href: "#/asset/" + part(a.id), "data-focus": "asset" }, a.id),
      h("span", { class: "dim nowrap" }, [a.group, a.kind ? words.name(a.kind) : ""].filter(Boolean).join(" · "))),
    td("State", "", badge(a.severity, a.state)),
    td("What", "what", what, a.alert ? h("a", { class: "open-alert", href: "#/alert/" + part(a.alert), "data-testid": "open-alert", "data-focus": "alert", "aria-label": `Why: alert on ${a.id}, ${words.name(a.component)}` },
      a.alerts > 1 ? `Why? (${a.alerts} alerts)` : "Why?") : null),
    td("Risk", "", a.risk === null ? h("span", { class: "dim" }, "–") : riskBar(a.risk, a.horizon_h)),
    td("Remaining life", "", h("span", { class: "nowrap" }, words.rul(a.rul_h), h("span", { class: "dim" }, words.band(a.rul_h)))),
    td("30 days", "trend-cell", trend),
    td("Heard", "dim nowrap", words.ago(a.updated, plantNow())),
  ]
}

function sentence(all: Summary[]): string {
  if (all.length === 0) return "No asset is configured yet."
  const bad = all.filter(a => a.severity !== null)
  const n = (k: number, one: string, many: string) => `${k} ${k === 1 ? one : many}`
  const noun = all.every(a => a.kind.includes("turbine")) ? "turbine" : "asset"
  if (bad.length === 0) return `${n(all.length, noun, noun + "s")}. Nothing needs attention.`
  const first = bad[0]
  return `${n(bad.length, noun + " needs", noun + "s need")} attention out of ${all.length}. First: ${first.id}, ${words.name(first.component)}`
    + (first.mode ? ` with ${words.mode(first.mode)}` : "") + "."
}
