import { get, part, type Alert, type Order } from "./api"
import { assetLink, badge } from "./bits"
import { h, paced, swap } from "./dom"
import type { View } from "./main"
import { plantNow } from "./plant"
import * as words from "./words"

/** table lists rows under heads; on a narrow screen each row becomes a card. */
function table(heads: string[], rows: HTMLTableRowElement[], empty: string): HTMLElement {
  if (rows.length === 0) return h("p", { class: "plain" }, empty)
  return h("table", { class: "list" }, h("thead", {}, h("tr", {}, ...heads.map(t => h("th", { scope: "col" }, t)))), h("tbody", {}, ...rows))
}

const td = (label: string, ...c: (Node | string | null)[]) => h("td", { "data-label": label }, ...c)

/** alertList shows every episode, newest first. */
export function alertList(): View {
  const box = h("div", {}, h("p", { class: "plain" }, "Reading the alerts…"))
  const el = h("div", { class: "page" }, h("h1", {}, "Alerts"), box)
  async function load(): Promise<void> {
    const { alerts } = await get<{ alerts: Alert[] }>("alerts", { limit: 300 })
    alerts.sort((a, b) => Number(b.current.open) - Number(a.current.open) || (a.current.open ? a.current.severity - b.current.severity : 0) || Date.parse(b.opened) - Date.parse(a.opened))
    swap(box, table(["Severity", "Asset", "What", "Risk when opened", "Opened", "Cleared"], alerts.map(a => h("tr", { "data-alert": a.id },
      td("Severity", a.current.open ? badge(a.current.severity, "alert") : h("span", { class: "dim" }, "Cleared")),
      td("Asset", assetLink(a.asset)),
      td("What", h("a", { href: "#/alert/" + part(a.id), "data-focus": a.id }, words.title(words.name(a.component)) + (a.current.mode ? ": " + words.mode(a.current.mode) : ""))),
      td("Risk", `${words.percent(a.risk)} in ${words.span(a.horizon_h)}`),
      td("Opened", words.when(a.opened), h("span", { class: "dim" }, words.ago(a.opened, plantNow()))),
      td("Cleared", a.cleared ? words.when(a.cleared) : h("span", { class: "dim" }, "still open")))), "No alert has been raised yet."))
  }
  const refresh = paced(2000, () => void load().catch(() => undefined))
  return { el, title: "Alerts", nav: "alerts", load, message: m => { if (m.type === "alert") refresh() }, destroy: () => refresh.stop() }
}

/** orderList shows every work order and where it stands in the ERP. */
export function orderList(): View {
  const box = h("div", {}, h("p", { class: "plain" }, "Reading the work orders…"))
  const el = h("div", { class: "page" }, h("h1", {}, "Work orders"), h("p", { class: "lede" }, "Each alert asks for one order; it is looked up in the ERP before it is made there, so it is never made twice."), box)
  async function load(): Promise<void> {
    const { orders } = await get<{ orders: Order[] }>("orders", { limit: 300 })
    swap(box, table(["Order", "ERP number", "Status", "Asset", "Priority", "Required by", "Why"], orders.map(o => h("tr", { "data-testid": "work-order", "data-order": o.id },
      td("Order", h("b", {}, o.title)),
      td("ERP number", o.erp_number ? h("a", { href: "/erp/", "data-testid": "erp-number", "data-focus": "erp" + o.id }, o.erp_number) : h("span", { class: "dim" }, "none yet")),
      td("Status", h("span", { class: "chip st-" + o.status }, words.orderStatus(o.status)), o.problem ? h("span", { class: "dim" }, o.problem) : null),
      td("Asset", assetLink(o.asset), h("span", { class: "dim" }, words.name(o.component))),
      td("Priority", badge(o.priority, "alert")),
      td("Required by", words.when(o.required_end)),
      td("Why", h("a", { href: "#/alert/" + part(o.alert), "data-focus": o.id, "aria-label": "Alert behind " + o.title }, "Alert")))), "No work order has been made yet."))
  }
  const refresh = paced(2000, () => void load().catch(() => undefined))
  return { el, title: "Work orders", nav: "orders", load, message: m => { if (m.type === "order") refresh() }, destroy: () => refresh.stop() }
}
