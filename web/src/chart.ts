// Charts: lines with uPlot, small ones as SVG. Colours come from the style sheet.

import uPlot from "uplot"
import { h, s } from "./dom"
import * as words from "./words"

const css = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Line colours in order; dashes repeat the distinction for those who cannot see it. */
const COLOURS = ["--line-1", "--line-2", "--line-3", "--line-4", "--line-5"]
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3], [4, 6]]

export interface Line { label: string; unit?: string; times: number[]; values: (number | null)[] }
export interface Guide { value: number; label: string; kind?: "limit" | "past" }
export interface LinesOptions {
  label: string // for those who do not see it
  height?: number
  limits?: Guide[]
  instants?: { ms: number; label: string }[]
  percent?: boolean
}
export interface Chart { el: HTMLElement; set(lines: Line[], opt?: Partial<LinesOptions>): void; destroy(): void }

/** align puts series of different instants on one time axis, in seconds. */
function align(lines: Line[]): uPlot.AlignedData {
  const all = [...new Set(lines.flatMap(l => l.times))].sort((a, b) => a - b)
  const at = new Map(all.map((t, i) => [t, i]))
  const ys = lines.map(l => {
    const y: (number | null | undefined)[] = new Array(all.length).fill(undefined)
    l.times.forEach((t, i) => { y[at.get(t)!] = l.values[i] })
    return y
  })
  return [all.map(t => t / 1000), ...ys] as uPlot.AlignedData
}

function axis(values?: uPlot.Axis["values"], size = 56): uPlot.Axis {
  return {
    stroke: css("--ink-2"), font: "12px " + css("--sans"), size, values,
    grid: { stroke: css("--hair"), width: 1 }, ticks: { stroke: css("--hair"), width: 1, size: 4 },
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** Time ticks in UTC: the day where it begins, the hour elsewhere. */
const timeTicks = (_: uPlot, splits: number[]): string[] => splits.map((t, i) => {
  const d = new Date(t * 1000), day = `${d.getUTCDate()} ${MONTHS[d.getUTCMonth()]}`
  const before = i > 0 ? new Date(splits[i - 1] * 1000) : null
  const clock = `${String(d.getUTCHours()).padStart(2, "0")}:${String(d.getUTCMinutes()).padStart(2, "0")}`
  if (!before || before.getUTCDate() !== d.getUTCDate()) return clock === "00:00" || splits.length < 2 ? day : i === 0 ? `${day} ${clock}` : day
  return clock
})

/** While nobody points at a chart, its legend shows the newest values. */
const newest: uPlot.Plugin["hooks"] = {
  setCursor: u => {
    if (u.cursor.idx === null || u.cursor.idx === undefined) u.setLegend({ idxs: u.data.map(d => d.length - 1) })
  },
}

/** Guides are drawn over the lines: limits across, instants down. */
function guides(get: () => Partial<LinesOptions>): uPlot.Plugin {
  return {
    hooks: {
      ...newest,
      draw: u => {
        const { ctx, bbox } = u, dpr = devicePixelRatio, opt = get()
        ctx.save()
        ctx.font = `${11 * dpr}px ${css("--sans")}`
        ctx.lineWidth = 1.5 * dpr
        for (const g of opt.limits ?? []) {
          const y = u.valToPos(g.value, "y", true)
          if (y < bbox.top || y > bbox.top + bbox.height) continue
          ctx.strokeStyle = ctx.fillStyle = css("--limit")
          ctx.setLineDash([6 * dpr, 4 * dpr])
          ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke()
          ctx.textAlign = "left"
          ctx.fillText(g.label, bbox.left + 6 * dpr, y - 5 * dpr)
        }
        for (const g of opt.instants ?? []) {
          const x = u.valToPos(g.ms / 1000, "x", true)
          if (x < bbox.left || x > bbox.left + bbox.width) continue
          ctx.strokeStyle = ctx.fillStyle = css("--ink-2")
          ctx.setLineDash([2 * dpr, 3 * dpr])
          ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke()
          const right = x > bbox.left + bbox.width / 2
          ctx.textAlign = right ? "right" : "left"
          ctx.fillText(g.label, x + (right ? -5 : 5) * dpr, bbox.top + 12 * dpr)
        }
        ctx.restore()
      },
    },
  }
}

/** fit keeps a chart as wide as its frame. */
function fit(el: HTMLElement, get: () => uPlot | null, height: number): () => void {
  const watch = new ResizeObserver(() => {
    const u = get(), w = el.clientWidth
    if (u && w > 0 && w !== u.width) u.setSize({ width: w, height })
  })
  watch.observe(el)
  return () => watch.disconnect()
}

/** trend draws lines over time. */
export function trend(first: LinesOptions): Chart {
  let opt: LinesOptions = first, plot: uPlot | null = null, shape = "", kept: Line[] = []
  const height = first.height ?? 220
  const frame = h("div", { class: "plot" })
  const say = h("p", { class: "plot-empty" }, "Nothing recorded here yet.")
  const el = h("figure", { role: "img", "aria-label": first.label }, frame, say)
  const make = (lines: Line[]) => {
    plot?.destroy()
    const value = (l: Line) => (_: uPlot, v: number | null) => (v === null || v === undefined ? "–" : opt.percent ? words.percent(v) : words.withUnit(v, l.unit))
    plot = new uPlot({
      width: frame.clientWidth || 600, height,
      tzDate: ts => uPlot.tzDate(new Date(ts * 1000), "Etc/UTC"),
      cursor: { y: false, points: { size: 6 } },
      legend: { live: true },
      scales: { x: { time: true }, y: { range: (_u, lo, hi) => yRange(lo, hi, opt) } },
      axes: [axis(timeTicks, 32), axis((_u, splits) => splits.map(v => (opt.percent ? Math.round(v * 100) + " %" : words.num(v))))],
      series: [
        { label: "UTC", value: (_u, v) => (v === null ? "–" : words.when(v * 1000)) },
        ...lines.map((l, i) => ({
          label: l.label, stroke: css(COLOURS[i % 5]), width: 2, dash: DASHES[i % 5], spanGaps: false, value: value(l),
          points: { show: l.times.length < 3 },
        })),
      ],
      plugins: [guides(() => opt)],
    }, align(lines), frame)
  }
  const unwatch = fit(frame, () => plot, height)
  const retheme = () => { if (kept.length) make(kept) }
  document.addEventListener("themechange", retheme)
  return {
    el,
    set(lines, more) {
      opt = { ...opt, ...more }
      el.setAttribute("aria-label", opt.label)
      const some = lines.some(l => l.times.length > 0), now = lines.map(l => l.label).join("|")
      say.hidden = some
      frame.hidden = !some
      if (!some) return
      kept = lines
      if (plot && now === shape) plot.setData(align(lines))
      else make(lines)
      if (plot && (plot.cursor.idx === null || plot.cursor.idx === undefined)) plot.setLegend({ idxs: plot.data.map(d => d.length - 1) })
      shape = now
    },
    destroy() { unwatch(); plot?.destroy(); document.removeEventListener("themechange", retheme) },
  }
}

function yRange(lo: number | null, hi: number | null, opt: LinesOptions): [number, number] {
  if (opt.percent) return [0, Math.min(1, Math.max(0.1, (hi ?? 0) * 1.15))]
  let a = lo ?? 0, b = hi ?? 1
  for (const g of opt.limits ?? []) { // a limit far away must not flatten the line
    if (g.value <= b + 2 * (b - a || Math.abs(b) || 1)) b = Math.max(b, g.value)
    if (g.value >= a - 2 * (b - a || 1)) a = Math.min(a, g.value)
  }
  if (a > 0 && a < 0.5 * b) a = 0
  const pad = (b - a || Math.abs(b) || 1) * 0.1
  return [a === 0 ? 0 : a - pad, b + pad]
}

export interface SpectrumLine { step_hz: number; bins: number[]; unit: string; marks?: { name: string; hz: number }[] }

/** spectrum draws amplitude over frequency with the frequencies that mean something. */
export function spectrum(label: string): { el: HTMLElement; set(sp: SpectrumLine, label: string): void; destroy(): void } {
  let plot: uPlot | null = null, kept: SpectrumLine | null = null
  const height = 250, frame = h("div", { class: "plot" })
  const el = h("figure", { role: "img", "aria-label": label }, frame)
  const draw = (sp: SpectrumLine) => {
    plot?.destroy()
    const x = sp.bins.map((_, i) => i * sp.step_hz)
    const last = Math.max(0, ...(sp.marks ?? []).map(m => m.hz)) * 1.25
    plot = new uPlot({
      width: frame.clientWidth || 600, height,
      cursor: { y: false, points: { size: 6 } },
      scales: { x: { time: false, range: (_u, lo, hi) => [lo, hi] }, y: { range: (_u, _lo, hi) => [0, (hi || 1) * 1.2] } },
      axes: [axis((_u, sp2) => sp2.map(v => words.num(v) + " Hz"), 32), axis((_u, sp2) => sp2.map(v => words.num(v)))],
      series: [
        { label: "Frequency", value: (_u, v) => (v === null ? "–" : words.num(v, 5) + " Hz") },
        { label: "Amplitude", stroke: css("--line-1"), width: 1.2, fill: css("--line-fill"), points: { show: false }, value: (_u, v) => words.withUnit(v, sp.unit) },
      ],
      plugins: [marks(sp)],
    }, [x, sp.bins.slice()], frame)
    plot.setLegend({ idx: peak(sp.bins) })
    if (last > 0 && last < x[x.length - 1]) plot.setScale("x", { min: 0, max: last })
  }
  const unwatch = fit(frame, () => plot, height)
  const retheme = () => { if (kept) draw(kept) }
  document.addEventListener("themechange", retheme)
  return {
    el,
    set(sp, text) { kept = sp; el.setAttribute("aria-label", text); draw(sp) },
    destroy() { unwatch(); plot?.destroy(); document.removeEventListener("themechange", retheme) },
  }
}

const peak = (bins: number[]): number => bins.reduce((top, v, i) => (v > bins[top] ? i : top), 0)

function marks(sp: SpectrumLine): uPlot.Plugin {
  return {
    hooks: {
      setCursor: u => { // while nobody points at it, the legend names the highest line
        if (u.cursor.idx === null || u.cursor.idx === undefined) u.setLegend({ idx: peak(sp.bins) })
      },
      draw: u => {
        const { ctx, bbox } = u, dpr = devicePixelRatio
        ctx.save()
        ctx.font = `${11 * dpr}px ${css("--sans")}`
        ctx.strokeStyle = ctx.fillStyle = css("--mark")
        ctx.lineWidth = 1.2 * dpr
        ctx.textAlign = "left"
        ctx.setLineDash([3 * dpr, 3 * dpr])
        const taken: number[] = [] // right end of the last label in each row
        for (const m of [...(sp.marks ?? [])].sort((a, b) => a.hz - b.hz)) {
          const x = u.valToPos(m.hz, "x", true)
          if (x < bbox.left || x > bbox.left + bbox.width) continue
          const w = ctx.measureText(m.name).width
          let row = taken.findIndex(end => end < x - 2 * dpr)
          if (row < 0) row = taken.length
          if (row < 4) {
            const left = Math.min(x + 3 * dpr, bbox.left + bbox.width - w)
            ctx.fillText(m.name, left, bbox.top + (12 + 13 * row) * dpr)
            taken[row] = left + w
          }
          ctx.beginPath(); ctx.moveTo(x, bbox.top + (row < 4 ? 3 + 13 * row : 0) * dpr); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke()
        }
        ctx.restore()
      },
    },
  }
}

/** spark is a line without axes; values are 0–1, or as high as they go. */
export function spark(values: (number | null)[]): SVGElement {
  const w = 120, hgt = 30, known = values.filter((v): v is number => v !== null)
  const top = Math.max(0.1, ...known)
  const svg = s("svg", { class: "spark", viewBox: `0 0 ${w} ${hgt}`, preserveAspectRatio: "none", role: "img", "aria-label": sparkText(known) })
  if (known.length < 2) return svg
  let d = ""
  values.forEach((v, i) => {
    if (v === null) return
    d += `${d ? "L" : "M"}${((i / (values.length - 1)) * (w - 4) + 1).toFixed(1)} ${(hgt - 3 - (v / top) * (hgt - 6)).toFixed(1)}`
  })
  svg.append(s("path", { d, class: "spark-line" }))
  return svg
}

function sparkText(v: number[]): string {
  if (v.length < 2) return "no risk history yet"
  return `risk went from ${words.percent(v[0])} to ${words.percent(v[v.length - 1])}, highest ${words.percent(Math.max(...v))}`
}
