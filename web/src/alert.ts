import { get, part, type AlertDetail, type Evidence, type Message, type Series, type Spectrum } from "./api"
import { badge, crumbs, orderCard, rulBand } from "./bits"
import { spectrum, trend, type Chart } from "./chart"
import { h, paced, s, section, swap } from "./dom"
import type { View } from "./main"
import { plantNow } from "./plant"
import { best, line, physicsTable, spectrumText, trendText } from "./turbine"
import * as words from "./words"

/** alertPage answers: what, since when, how sure, on what evidence, and what is done about it. */
export function alertPage(id: string): View {
  let alert: AlertDetail | null = null, key = ""
  const head = h("header", { class: "head" }, h("h1", {}, "Alert"))
  const way = h("div"), facts = h("div", { class: "tiles" })
  const evidence = h("div"), ml = h("div"), state = h("div"), life = h("div"), against = h("div"), orders = h("div"), course = h("div")
  const chart: Chart = trend({ label: "Trend", height: 240 })
  const spec = spectrum("Spectrum")
  const specNote = h("p", { class: "dim" }), pick = h("div", { class: "seg", role: "group", "aria-label": "Which feature" })
  const specBox = section("Spectrum when it opened", {}, spec.el, specNote)
  const mlBox = section("What the trained model saw", {}, ml), stateBox = section("Physics state", {}, state)
  const againstBox = section("What speaks against it", {}, against), trendBox = section("Trend", {}, pick, chart.el)
  const el = h("div", { class: "page" }, way, head, facts,
    h("div", { class: "grid" },
      section("Evidence", { class: "wide" }, h("p", { class: "dim" }, "Weight is what each fact adds to the log odds of a failure; the longest bar counted most."), evidence),
      trendBox, specBox, section("Remaining useful life", {}, life), section("Work order", {}, orders),
      mlBox, stateBox, againstBox, section("Course", {}, course)))

  async function load(): Promise<void> {
    const a = alert = await get<AlertDetail>("alerts/" + part(id))
    draw(a)
    await Promise.all([drawTrend(a), drawSpectrum(a)])
  }

  function draw(a: AlertDetail): void {
    const what = `${words.title(words.name(a.component))}: ${words.mode(a.current.mode) || "fault"}`
    document.title = `${a.asset} ${what} – Telltale`
    swap(way, crumbs(["Fleet", "#/"], [a.asset, "#/asset/" + part(a.asset)], ["Alert", ""]))
    swap(head, h("h1", { "data-testid": "alert-title" }, what), badge(a.current.open ? a.current.severity : null, a.current.open ? "alert" : "healthy"),
      h("p", { class: "lede", "data-testid": "alert-lede" }, lede(a)))
    swap(facts,
      tile("Failure risk when opened", words.percent(a.risk), `within ${words.span(a.horizon_h)}`),
      tile("Failure risk now", words.percent(a.now?.risk), a.now ? words.ago(a.now.time, plantNow()) : "no verdict yet"),
      tile("Remaining life", words.rul((a.now ?? a).rul_h), words.band((a.now ?? a).rul_h) || "no source can say yet"),
      tile("Who says so", `${voices(a).length} of 3 views`, words.list(voices(a))))
    swap(evidence, evidenceTable(a))
    mlBox.hidden = a.views.ml.length === 0
    swap(ml, bars(a.views.ml))
    stateBox.hidden = a.views.state.length === 0 && a.views.physics.length === 0
    swap(state, a.views.state.length ? physicsTable(a.views.state) : physicsTable(a.views.physics.map(e => ({ ...e, unit: "" }))))
    againstBox.hidden = a.views.against.length === 0
    swap(against, h("ul", {}, ...a.views.against.map(e => h("li", {}, e.text || words.name(e.name), h("span", { class: "dim" }, `${words.view(e.source)}, weight ${signed(e.weight)}`)))))
    swap(life, rulBand((a.now ?? a).rul_h, a.horizon_h), h("p", { class: "dim" }, a.now && (a.now.rul_h.p10 ?? a.rul_h.p10) !== null ? `As of ${words.when(a.now.time)} UTC.` + (a.rul_h.p10 === null ? "" : ` When the alert opened: ${words.rul(a.rul_h)}${words.band(a.rul_h) ? ` (${words.band(a.rul_h)})` : ""}.`) : ""))
    swap(orders, ...(a.orders.length ? a.orders.map(orderCard) : [h("p", { class: "plain" }, "This alert has not caused a work order.")]))
    swap(course, h("ol", { class: "timeline" }, ...steps(a).reverse().map(([t, text]) => h("li", {}, h("time", {}, words.when(t)), h("span", {}, text)))))
    const refs = a.views.trends
    trendBox.hidden = refs.length === 0
    key ||= refs[0]?.key ?? ""
    swap(pick, ...refs.map(r => h("button", { type: "button", "aria-pressed": String(r.key === key), "data-focus": r.key, onclick: () => { key = r.key; draw(a); void drawTrend(a) } }, words.name(r.key))))
    pick.hidden = refs.length < 2
  }

  async function drawTrend(a: AlertDetail): Promise<void> {
    if (!key) return
    const opened = Date.parse(a.opened), end = a.cleared ? Date.parse(a.cleared) : plantNow()
    const before = Math.max(14 * 864e5, end - opened)
    const { series } = await get<{ series: Series[] }>(`assets/${part(a.asset)}/trend`, { key: [key], from: new Date(opened - before).toISOString(), max: 800 })
    const limit = a.views.trends.find(t => t.key === key)?.limit ?? series[0]?.limit ?? null
    const unit = series[0]?.unit
    chart.set(series.map(line), {
      label: trendText(series[0] && { ...series[0], limit }), limits: limit === null ? [] : [{ value: limit, label: "limit " + words.withUnit(limit, unit) }],
      instants: [{ ms: opened, label: "opened" }, ...(a.cleared ? [{ ms: Date.parse(a.cleared), label: "cleared" }] : [])],
    })
  }

  async function drawSpectrum(a: AlertDetail): Promise<void> {
    const ref = a.views.spectrum
    specBox.hidden = !ref
    if (!ref) return
    const { spectra } = await get<{ spectra: Spectrum[] }>(`assets/${part(a.asset)}/spectra`, { channel: ref.channel, at: ref.at })
    const sp = best(spectra)
    spec.el.hidden = !sp
    specNote.textContent = sp ? spectrumText(sp) : `No spectrum of ${words.name(ref.channel)} was kept at that moment.`
    if (sp) spec.set(sp, specNote.textContent)
  }

  const reload = paced(4000, () => void load().catch(() => undefined))
  return {
    el, title: "Alert", nav: "alerts", load,
    message(m: Message) {
      if (!alert) return
      const mine = m.type === "alert" ? m.data.id === id : m.type === "order" ? m.data.alert === id
        : m.type === "risk" && m.data.asset === alert.asset && m.data.component === alert.component
      if (mine) reload()
    },
    destroy() { reload.stop(); chart.destroy(); spec.destroy() },
  }
}

const tile = (k: string, v: string, note: string) => h("div", { class: "tile" }, h("span", {}, k), h("b", {}, v), h("span", { class: "dim" }, note))

const signed = (w: number | null) => (w === null ? "–" : (w > 0 ? "+" : "−") + Math.abs(w).toFixed(2))

/** voices are the independent views that speak for the fault. */
function voices(a: AlertDetail): string[] {
  const counts = (list: Evidence[]) => list.some(e => e.weight === null || e.weight > 0)
  return [counts(a.views.rules) && "limits", counts(a.views.ml) && "trained model", counts(a.views.physics) && "physical law"].filter((x): x is string => !!x)
}

function lede(a: AlertDetail): string {
  const said = [`${a.asset}: opened ${words.when(a.opened)} UTC (${words.ago(a.opened, plantNow())})`]
  const v = voices(a)
  said.push(v.length > 1 ? `${["", "", "Two", "All three"][v.length]} independent views agree: ${words.list(v)}` : v.length === 1 ? `One view speaks: ${v[0]}` : "No view has named its reasons")
  said.push(a.cleared ? `It cleared on ${words.when(a.cleared)} UTC` : a.orders.length ? `It has caused ${a.orders.length === 1 ? "a work order" : a.orders.length + " work orders"}` : "It is open")
  return said.join(". ") + "."
}

function evidenceTable(a: AlertDetail): HTMLElement {
  if (a.evidence.length === 0) return h("p", { class: "plain" }, "The alert names no evidence.")
  const top = Math.max(1e-9, ...a.evidence.map(e => Math.abs(e.weight ?? 0)))
  const unit = (e: Evidence) => a.views.trends.find(t => t.key === e.name)?.unit ?? ""
  const td = (label: string, cls: string, ...c: (Node | string | null)[]) => h("td", { "data-label": label, class: cls }, ...c)
  return h("table", { class: "list evidence" },
    h("thead", {}, h("tr", {}, ...["What", "Says", "Value", "Limit", "Weight"].map(t => h("th", { scope: "col" }, t)))),
    h("tbody", {}, ...a.evidence.map(e => h("tr", { "data-testid": "evidence-row" },
      td("What", "what", h("span", {}, words.title(e.text || words.name(e.name))), h("code", {}, e.name)),
      td("Says", "dim", words.view(e.source)),
      td("Value", "n", h("b", { "data-testid": "evidence-value" }, words.withUnit(e.value, unit(e)))),
      td("Limit", "n", h("span", { "data-testid": "evidence-limit" }, words.withUnit(e.limit, unit(e)))),
      td("Weight", "w", weightBar(e.weight, top))))))
}

function weightBar(w: number | null, top: number): HTMLElement {
  const share = Math.min(50, (50 * Math.abs(w ?? 0)) / top)
  return h("span", { class: "weight" }, h("span", { class: "n" }, signed(w)),
    s("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "bar-back", width: 100, height: 8 }),
      s("rect", { class: (w ?? 0) < 0 ? "bar-against" : "bar-fill", x: (w ?? 0) < 0 ? 50 - share : 50, width: share, height: 8 }),
      s("rect", { class: "bar-mid", x: 49.6, width: 0.8, height: 8 })))
}

/** bars rank what moved the model's score. */
function bars(list: Evidence[]): HTMLElement {
  const top = Math.max(1e-9, ...list.map(e => Math.abs(e.weight ?? 0)))
  return h("ul", { class: "bars" }, ...list.slice(0, 12).map(e => h("li", {},
    h("span", {}, words.name(e.name)), h("span", { class: "n" }, signed(e.weight)),
    s("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
      s("rect", { class: "bar-back", width: 100, height: 8 }),
      s("rect", { class: "bar-fill", width: (100 * Math.abs(e.weight ?? 0)) / top, height: 8 })),
    e.text ? h("span", { class: "dim" }, e.text) : null)))
}

function steps(a: AlertDetail): [string, string][] {
  const all: [string, string][] = [[a.opened, `Opened as ${words.mode(a.mode) || "fault"}, ${words.severity(a.severity).toLowerCase()}, at ${words.percent(a.risk)} risk`]]
  for (const c of a.changes ?? []) {
    if (c.what === "cleared") continue
    if (c.what === "confirmed") {
      all.push([c.time, `Confirmed: its signs have lasted, ${words.percent(c.risk)} risk`])
      continue
    }
    all.push([c.time, c.what === "mode" ? `Diagnosis now: ${words.mode(c.mode)}, at ${words.percent(c.risk)} risk` : `Severity now: ${words.severity(c.severity).toLowerCase()}, at ${words.percent(c.risk)} risk`])
  }
  for (const o of a.orders) all.push([o.created, `Work order made: ${o.title}`])
  if (a.cleared) all.push([a.cleared, "Cleared"])
  return all.sort((x, y) => Date.parse(x[0]) - Date.parse(y[0]))
}
