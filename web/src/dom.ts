// The few lines that stand in for a framework.

export type Child = Node | string | number | null | undefined | false

type Attrs = Record<string, string | number | boolean | null | undefined | ((e: Event) => void)>

const SVG = "http://www.w3.org/2000/svg"

function fill(el: Element, attrs: Attrs, children: Child[]): void {
  for (const [k, v] of Object.entries(attrs)) {
    if (v === null || v === undefined || v === false) continue
    if (typeof v === "function") el.addEventListener(k.replace(/^on/, ""), v)
    else el.setAttribute(k, v === true ? "" : String(v))
  }
  for (const c of children) if (c !== null && c !== undefined && c !== false) el.append(c instanceof Node ? c : String(c))
}

/** h makes an HTML element. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attrs: Attrs = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const el = document.createElement(tag)
  fill(el, attrs, children)
  return el
}

/** s makes an SVG element. */
export function s<K extends keyof SVGElementTagNameMap>(tag: K, attrs: Attrs = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  const el = document.createElementNS(SVG, tag)
  fill(el, attrs, children)
  return el as SVGElementTagNameMap[K]
}

/** swap replaces what el holds and gives the focus back to the element with the same data-focus. */
export function swap(el: Element, ...children: Child[]): void {
  const key = el.contains(document.activeElement) ? document.activeElement?.getAttribute("data-focus") : null
  el.replaceChildren()
  fill(el, {}, children)
  if (key) el.querySelector<HTMLElement>(`[data-focus="${CSS.escape(key)}"]`)?.focus({ preventScroll: true })
}

/** section is a titled part of a page. */
export function section(title: string, attrs: Attrs, ...children: Child[]): HTMLElement {
  return h("section", { ...attrs, class: "card " + (attrs.class ?? ""), "aria-label": title }, h("h2", {}, title), ...children)
}

/** paced runs f at most once in ms, the last call never being lost. */
export function paced(ms: number, f: () => void): { (): void; stop(): void } {
  let timer = 0, last = -Infinity
  const go = () => {
    if (timer) return
    timer = window.setTimeout(() => { timer = 0; last = performance.now(); f() }, Math.max(0, last + ms - performance.now()))
  }
  go.stop = () => { window.clearTimeout(timer); timer = -1 }
  return go
}
