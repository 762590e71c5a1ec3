import { get, part, type Alert, type Detail, type Message, type Part, type PlantEvent, type Quantity, type Series, type Spectrum, type Verdict } from "./api"
import { badge, crumbs, riskBar } from "./bits"
import { spectrum, trend } from "./chart"
import { h, paced, section, swap } from "./dom"
import type { View } from "./main"
import { plantNow } from "./plant"
import * as words from "./words"

const SPANS: [string, number][] = [["24 hours", 24], ["7 days", 168], ["30 days", 720], ["All", 0]]

/** turbine shows one asset: its components, how it came here, and what was measured. */
export function turbine(id: string): View {
  let detail: Detail | null = null, hours = 720, key = "", channel = ""
  const head = h("header", { class: "head" }, h("h1", {}, id))
  const cards = h("div", { class: "parts" }), unjudged = h("p", { class: "dim" })
  const risk = trend({ label: "Risk of each component over time", percent: true, height: 230 })
  const feature = trend({ label: "A measured feature over time" })
  const spec = spectrum("Newest spectrum")
  const specNote = h("p", { class: "dim" })
  const pickSpan = h("div", { class: "seg", role: "group", "aria-label": "Time span" })
  const pickKey = h("select", { id: "pick-key", onchange: () => { key = pickKey.value; void drawFeature() } })
  const pickChannel = h("select", { id: "pick-channel", onchange: () => { channel = pickChannel.value; void drawSpectrum() } })
  const facts = h("div"), history = h("div")
  const el = h("div", { class: "page" }, crumbs(["Fleet", "#/"], [id, ""]), head, cards, unjudged,
    h("div", { class: "grid" },
      section("Risk over time", { class: "wide" }, pickSpan, risk.el),
      section("Measured over time", {}, h("label", { for: "pick-key" }, "Feature"), pickKey, feature.el),
      section("Newest spectrum", {}, h("label", { for: "pick-channel" }, "Channel"), pickChannel, spec.el, specNote),
      section("Now", {}, facts),
      section("History", {}, history)))

  const from = () => (hours ? new Date(plantNow() - hours * 3.6e6).toISOString() : undefined)

  async function load(): Promise<void> {
    detail = await get<Detail>("assets/" + part(id))
    draw(detail)
    await Promise.all([drawRisk(), drawFeature(), drawSpectrum(), drawHistory()])
  }

  function draw(d: Detail): void {
    swap(head, h("h1", {}, d.id), badge(d.severity, d.state), h("p", { class: "lede" }, sentence(d)))
    const judged = d.components.filter(c => c.verdict || c.physics.length || c.alert)
    judged.sort((a, b) => (a.severity ?? 9) - (b.severity ?? 9) || (b.verdict?.risk ?? -1) - (a.verdict?.risk ?? -1))
    swap(cards, ...judged.map(c => card(c, d)))
    const rest = d.components.filter(c => !judged.includes(c)).map(c => words.name(c.name))
    unjudged.textContent = rest.length ? `No verdict yet on ${words.list(rest)}.` : ""
    swap(pickSpan, ...SPANS.map(([label, n]) => h("button", { type: "button", "aria-pressed": String(hours === n), "data-focus": label, onclick: () => { hours = n; draw(d); void drawRisk(); void drawFeature() } }, label)))
    options(pickKey, d.metrics.map(m => m.name), key ||= firstKey(d), words.name)
    const channels = (d.nameplate.channels ?? []).map(c => c.name)
    options(pickChannel, channels, channel ||= (d.nameplate.channels ?? []).find(c => c.component === d.component)?.name ?? channels[0] ?? "", words.name)
    swap(facts, nowTable(d))
  }

  async function drawRisk(): Promise<void> {
    const { risks } = await get<{ risks: Verdict[] }>(`assets/${part(id)}/risks`, { from: from(), max: 3000 })
    const names = [...new Set(risks.map(r => r.component))].sort()
    // The worst now comes first: it gets the strongest line.
    const last = (n: string) => risks.findLast(r => r.component === n)?.risk ?? 0
    names.sort((a, b) => last(b) - last(a))
    risk.set(names.slice(0, 5).map(n => {
      const own = risks.filter(r => r.component === n)
      return { label: words.name(n), times: own.map(r => Date.parse(r.time)), values: own.map(r => r.risk) }
    }), { label: `Risk of each component. ${names.map(n => `${words.name(n)}: ${words.percent(last(n))} now`).join("; ")}.` })
  }

  async function drawFeature(): Promise<void> {
    if (!key) return feature.set([])
    const asked = key
    const { series } = await get<{ series: Series[] }>(`assets/${part(id)}/trend`, { key: [key], from: from(), max: 600 })
    if (asked !== key) return
    feature.set(series.map(line), { limits: series.flatMap(x => (x.limit === null ? [] : [{ value: x.limit, label: "limit " + words.withUnit(x.limit, x.unit) }])), label: trendText(series[0]) })
  }

  async function drawSpectrum(): Promise<void> {
    if (!channel) return
    const { spectra } = await get<{ spectra: Spectrum[] }>(`assets/${part(id)}/spectra`, { channel })
    const sp = best(spectra)
    spec.el.hidden = !sp
    specNote.textContent = sp ? spectrumText(sp) : "No spectrum of this channel is kept yet."
    if (sp) spec.set(sp, specNote.textContent)
  }

  async function drawHistory(): Promise<void> {
    const [{ events }, { alerts }] = await Promise.all([
      get<{ events: PlantEvent[] }>("events", { asset: id, limit: 30 }), get<{ alerts: Alert[] }>("alerts", { asset: id, limit: 30 })])
    swap(history, timeline(events, alerts))
  }

  const reload = paced(4000, () => void load().catch(() => undefined))
  return {
    el, title: id, nav: "fleet", load,
    message(m: Message) { if ("asset" in m.data && m.data.asset === id) reload() },
    destroy() { reload.stop(); risk.destroy(); feature.destroy(); spec.destroy() },
  }
}

function options(select: HTMLSelectElement, values: string[], chosen: string, say: (v: string) => string): void {
  const told = values.join("|")
  if (select.dataset.told !== told) {
    select.dataset.told = told
    select.replaceChildren(...values.map(v => h("option", { value: v }, say(v))))
  }
  select.value = chosen
}

/** firstKey is the feature that is furthest beyond its limit, or else a plain level. */
function firstKey(d: Detail): string {
  const part = d.components.find(c => c.name === d.component)
  const named = part?.verdict?.evidence?.find(e => d.metrics.some(m => m.name === e.name))
  return named?.name ?? d.metrics.find(m => /\/rms$/.test(m.name))?.name ?? d.metrics[0]?.name ?? ""
}

export const line = (x: Series) => ({ label: words.name(x.key), unit: x.unit, times: x.times.map(t => Date.parse(t)), values: x.values })

export function trendText(x: Series | undefined): string {
  if (!x || x.values.length === 0) return "No values yet."
  return `${words.name(x.key)}: ${words.withUnit(x.values[x.values.length - 1], x.unit)} now` + (x.limit === null ? "." : `, limit ${words.withUnit(x.limit, x.unit)}.`)
}

/** best prefers the envelope, in which bearing damage shows first. */
export const best = (all: Spectrum[]): Spectrum | undefined =>
  all.find(x => x.kind === "envelope" && x.marks?.length) ?? all.find(x => x.marks?.length) ?? all[0]

export const spectrumText = (sp: Spectrum): string =>
  `${sp.kind === "envelope" ? "Envelope spectrum" : "Spectrum"} of ${words.name(sp.channel)}, taken ${words.when(sp.time)} UTC`
  + (sp.marks?.length ? `. Dashed lines: ${words.list(sp.marks.map(m => `${m.name} at ${words.num(m.hz, 4)} Hz`).slice(0, 6))}.` : ".")

function sentence(d: Detail): string {
  const said = [d.updated ? words.title(words.operation(d.operation, d.speed_rpm)) : "Not heard of yet"]
  if (d.speed_rpm) said[0] += ` at ${words.num(d.speed_rpm, 4)} rpm`
  if (d.learning) said.push("Learning what healthy looks like, so there is no verdict yet")
  else if (d.component && d.mode) said.push(`${words.title(words.name(d.component))} shows ${words.mode(d.mode)}`)
  else if (d.updated) said.push("No component shows a fault")
  if (d.updated) said.push(`Last heard ${words.when(d.updated)} UTC`)
  return said.join(". ") + "."
}

function card(c: Part, d: Detail): HTMLElement {
  const v = c.verdict
  return h("article", { class: "part" + (c.severity !== null ? " sev s" + c.severity : ""), "data-testid": "component", "data-component": c.name },
    h("h2", {}, words.title(words.name(c.name))),
    c.type ? h("p", { class: "dim" }, words.name(c.type)) : null,
    badge(c.severity, d.learning ? "learning" : v?.anomaly ? "watch" : v ? "healthy" : "silent"),
    v ? h("dl", { class: "facts" },
      fact("Risk", riskBar(v.risk, v.horizon_h)), v.mode ? fact("Mode", words.mode(v.mode)) : null,
      fact("Remaining life", words.rul(v.rul_h), words.band(v.rul_h))) : null,
    c.physics.length ? h("details", { open: c.alert !== null }, h("summary", { "data-focus": "sum" + c.name }, "Physics state"), physicsTable(c.physics)) : null,
    c.alert ? h("a", { class: "button", href: "#/alert/" + part(c.alert), "data-testid": "open-alert", "data-focus": c.alert }, "Why? Open the alert") : null)
}

function fact(k: string, v: Node | string, note = ""): HTMLElement {
  return h("div", {}, h("dt", {}, k), h("dd", {}, v, note ? h("span", { class: "dim" }, note) : null))
}

/** physicsTable says what the laws know, each with its meaning. */
export function physicsTable(all: Quantity[]): HTMLElement {
  return h("dl", { class: "facts physics" }, ...all.map(q =>
    h("div", { "data-testid": "physics-row" }, h("dt", {}, words.title(words.name(q.name)), q.source ? h("span", { class: "dim" }, words.name(q.source)) : null),
      h("dd", {}, words.withUnit(q.value, q.unit), q.limit !== null ? h("span", { class: "dim" }, "limit " + words.withUnit(q.limit, q.unit)) : null,
        q.text ? h("span", { class: "dim" }, q.text) : null))))
}

function nowTable(d: Detail): HTMLElement {
  const shown = d.metrics.filter(m => /\/(value|rms|kurtosis)$/.test(m.name))
  const rows = (shown.length ? shown : d.metrics).slice(0, 24)
  if (rows.length === 0) return h("p", { class: "plain" }, "Nothing measured yet.")
  return h("table", { class: "kv" }, h("tbody", {}, ...rows.map(m => h("tr", {},
    h("th", { scope: "row" }, words.name(m.name.replace(/\/value$/, ""))),
    h("td", { class: m.limit !== null && m.value !== null && m.value > m.limit ? "over" : "" }, words.withUnit(m.value, m.unit))))))
}

function timeline(events: PlantEvent[], alerts: Alert[]): HTMLElement {
  const all: { ms: number; text: Node | string }[] = [
    ...events.filter(e => !/^alert/.test(e.kind)).map(e => ({ ms: Date.parse(e.time), text: words.title(words.name(e.kind)) + (e.text ? ": " + e.text : "") })),
    ...alerts.map(a => ({ ms: Date.parse(a.opened), text: h("a", { href: "#/alert/" + part(a.id) }, `Alert: ${words.name(a.component)}, ${words.mode(a.current.mode)}`) })),
    ...alerts.filter(a => a.cleared).map(a => ({ ms: Date.parse(a.cleared!), text: `Cleared: ${words.name(a.component)}` })),
  ]
  all.sort((a, b) => b.ms - a.ms)
  if (all.length === 0) return h("p", { class: "plain" }, "Nothing has happened yet.")
  return h("ol", { class: "timeline" }, ...all.slice(0, 20).map(x => h("li", {}, h("time", {}, words.when(x.ms)), h("span", {}, x.text))))
}
