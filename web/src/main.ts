// The page: which view is shown, the plant's clock, the notes and the stream.

import { get, type Message, type Status } from "./api"
import { alertPage } from "./alert"
import { h, paced, swap } from "./dom"
import { fleet } from "./fleet"
import { alertList, orderList } from "./lists"
import { live } from "./live"
import { plantNow, tellTime } from "./plant"
import { turbine } from "./turbine"
import * as words from "./words"

export interface View {
  el: HTMLElement
  title: string
  nav: string
  load(): Promise<void>
  message(m: Message): void
  destroy(): void
}

const $ = (id: string): HTMLElement => document.getElementById(id)!

let view: View | null = null

function route(): View {
  const [what, id] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent)
  if (what === "asset" && id) return turbine(id)
  if (what === "alert" && id) return alertPage(id)
  if (what === "alerts") return alertList()
  if (what === "orders") return orderList()
  return fleet()
}

function show(): void {
  view?.destroy()
  const next = view = route()
  swap($("main"), next.el)
  document.title = next.title + " – Telltale"
  for (const a of document.querySelectorAll<HTMLElement>("[data-nav]")) {
    if (a.dataset.nav === next.nav) a.setAttribute("aria-current", "page")
    else a.removeAttribute("aria-current")
  }
  window.scrollTo(0, 0)
  load(next)
}

function load(v: View): void {
  v.el.setAttribute("aria-busy", "true")
  v.load().then(() => v.el.querySelector(":scope > .failed")?.remove(), (e: Error) => {
    if (view !== v) return
    v.el.querySelector(":scope > .failed")?.remove()
    v.el.prepend(h("p", { class: "failed", role: "alert" }, e.message, " ", h("button", { type: "button", onclick: () => load(v) }, "Try again")))
  }).finally(() => v.el.removeAttribute("aria-busy"))
}

function tell(s: Status): void {
  tellTime(s.event_time)
  const speed = s.speed > 1.01 ? `${words.num(s.speed)}× real time` : "live"
  swap($("clock"), h("span", { class: "dim" }, "Plant time "), h("time", { datetime: s.event_time ?? "" }, s.event_time ? words.when(plantNow()) + " UTC" : "not started"), h("span", { class: "dim speed" }, " · " + speed))
  $("clock").title = "Telltale " + s.version
  const notes = $("notes"), text = s.notes.join("|")
  if (notes.dataset.text !== text) {
    notes.dataset.text = text
    notes.hidden = s.notes.length === 0
    swap(notes, h("p", {}, h("b", {}, "Note"), ...s.notes.map(n => h("span", {}, n))))
  }
}

function linkState(up: boolean): void {
  const el = $("link"), text = up ? "Live" : "Reconnecting…"
  if (el.textContent === text) return
  el.className = "link " + (up ? "up" : "down")
  swap(el, text)
}

const THEMES = ["auto", "light", "dark"]

function theme(next?: string): void {
  if (next) localStorage.setItem("theme", next)
  const now = localStorage.getItem("theme") ?? "auto"
  document.documentElement.dataset.theme = now
  const b = $("theme")
  b.textContent = { auto: "Auto", light: "Light", dark: "Dark" }[now] ?? "Auto"
  b.setAttribute("aria-label", `Colours: ${now}. Press to change.`)
  b.onclick = () => theme(THEMES[(THEMES.indexOf(now) + 1) % 3])
  document.dispatchEvent(new Event("themechange"))
}

theme()
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("themechange")))
document.querySelector(".skip")!.addEventListener("click", e => { e.preventDefault(); $("main").focus() })
window.addEventListener("hashchange", () => { show(); $("main").focus({ preventScroll: true }) })

const status = () => get<Status>("status").then(tell)
let latest: Status | null = null
const clock = paced(250, () => { if (latest) tell(latest) })

status().catch(() => undefined).finally(() => {
  show()
  live({
    message: m => {
      if (m.type === "status") { latest = m.data; clock() } else view?.message(m)
    },
    state: linkState,
    back: () => { status().catch(() => undefined); if (view) load(view) },
  })
})
