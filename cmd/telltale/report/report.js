(() => {
  "use strict";
  const charts = JSON.parse(document.getElementById("charts").textContent) || [];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (i) => css("--c" + (1 + (i % 6)));
  const short = (v) => {
    if (v == null) return "–";
    const a = Math.abs(v);
    return a !== 0 && (a < 1e-3 || a >= 1e6) ? v.toExponential(2) : String(+v.toPrecision(4));
  };
  const utc = (s) => new Date(s * 1000).toISOString().slice(0, 19).replace("T", " ");

  // when writes the places of a time axis in UTC, with the date where it changes.
  const when = (u, places, axis, space, step) => {
    let day = "";
    return places.map((s) => {
      const [date, clock] = utc(s).split(" ");
      if (step >= 86400) return date.slice(step >= 86400 * 300 ? 0 : 2);
      const text = clock.slice(0, step >= 60 ? 5 : 8) + (step < 1 ? (s % 1).toFixed(2).slice(1) : "") + (date === day ? "" : "\n" + date);
      day = date;
      return text;
    });
  };

  // table brings the curves of a chart to one axis. Points that a curve does not
  // have stay undefined, which draws through; null is a gap.
  const table = (c) => {
    const one = (s) => (s.low ? [s.x, s.y, s.low, s.high] : [s.x, s.y]);
    return c.series.length === 1 ? one(c.series[0]) : uPlot.join(c.series.map(one));
  };

  // vertical draws a line at a place of the x axis, with its label in the first
  // of a few rows that has room; rows holds the taken stretches of each.
  const vertical = (u, at, stroke, dash, label, rows) => {
    const { ctx, bbox: b } = u;
    const px = devicePixelRatio;
    const x = Math.round(u.valToPos(at, "x", true));
    if (!(x >= b.left && x <= b.left + b.width)) return;
    ctx.strokeStyle = ctx.fillStyle = stroke;
    ctx.setLineDash(dash.map((d) => d * px));
    ctx.beginPath();
    ctx.moveTo(x, b.top);
    ctx.lineTo(x, b.top + b.height);
    ctx.stroke();
    if (!label) return;
    ctx.font = 10 * px + "px system-ui, sans-serif";
    ctx.textBaseline = "top";
    const w = ctx.measureText(label).width + 4 * px;
    const left = x + w > b.left + b.width;
    const [x0, x1] = left ? [x - w, x] : [x, x + w];
    const row = rows.findIndex((taken) => taken.every(([a, z]) => x1 < a || x0 > z));
    if (row < 0) return;
    rows[row].push([x0, x1]);
    ctx.textAlign = left ? "right" : "left";
    ctx.fillText(label, x + (left ? -3 : 3) * px, b.top + (2 + 12 * row) * px);
  };

  const horizontal = (u, at, stroke, label) => {
    const { ctx, bbox: b } = u;
    const y = Math.round(u.valToPos(at, "y", true));
    if (!(y >= b.top && y <= b.top + b.height)) return;
    ctx.strokeStyle = ctx.fillStyle = stroke;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(b.left, y);
    ctx.lineTo(b.left + b.width, y);
    ctx.stroke();
    ctx.font = 10 * devicePixelRatio + "px system-ui, sans-serif";
    ctx.textAlign = "left";
    ctx.textBaseline = y - b.top < 16 * devicePixelRatio ? "top" : "bottom";
    ctx.fillText(label, b.left + 4 * devicePixelRatio, y + (ctx.textBaseline === "top" ? 2 : -2) * devicePixelRatio);
  };

  const clipped = (u, f) => {
    u.ctx.save();
    u.ctx.lineWidth = devicePixelRatio;
    f(u.ctx);
    u.ctx.restore();
  };

  const under = (c) => (u) => clipped(u, (ctx) => {
    if (!c.learn) return;
    const b = u.bbox;
    const x0 = Math.max(b.left, u.valToPos(c.learn[0], "x", true));
    const x1 = Math.min(b.left + b.width, u.valToPos(c.learn[1], "x", true));
    if (x1 <= x0) return;
    ctx.fillStyle = css("--learn");
    ctx.fillRect(x0, b.top, x1 - x0, b.height);
  });

  const over = (c) => (u) => clipped(u, () => {
    const px = devicePixelRatio;
    const rows = [[], [], [], []];
    const marks = c.marks || [];
    const last = marks.reduce((m, k) => Math.max(m, k.at), 0);
    const crowded = u.valToPos(last, "x") < 0.15 * (u.bbox.width / devicePixelRatio);
    for (const m of marks) vertical(u, m.at, css("--c6"), [2, 3], crowded ? "" : m.name, rows);
    if (c.end) vertical(u, c.end, css("--ink"), [4, 3], "labelled end", rows);
    for (const a of c.alerts || []) vertical(u, a.at, css("--s1"), [], c.kind === "risk" ? a.name : "", rows);
    for (const l of c.limits || []) horizontal(u, l.at, css("--s2"), l.name + " " + short(l.at));
  });

  // top is how far up an axis goes that a few wild values must not set.
  const top = (values) => {
    const v = values.filter((x) => x != null).sort((a, b) => a - b);
    return v.length ? 1.6 * v[Math.floor(0.95 * (v.length - 1))] : 1;
  };

  const curves = (c) => {
    const out = [];
    for (const [i, s] of c.series.entries()) {
      const line = { label: s.name || c.title, stroke: colour(i), width: 1.3, points: { show: s.x.length < 40 }, value: (u, v) => (c.kind === "risk" ? (v == null ? "–" : (100 * v).toFixed(1) + " %") : short(v)) };
      if (c.kind === "spectrum") {
        line.paths = uPlot.paths.stepped({ align: 1 });
        line.width = 1;
        line.points.show = false;
        if (c.series.length > 1 && i === 0) line.stroke = css("--c6");
        else line.stroke = colour(i === c.series.length - 1 ? 0 : 1);
      }
      out.push(line);
      if (s.low) {
        for (const name of ["P10", "P90"]) out.push({ label: name, stroke: "transparent", width: 0, points: { show: false }, value: (u, v) => short(v) });
      }
    }
    return out;
  };

  const draw = (figure) => {
    const c = charts[+figure.dataset.chart];
    if (!c || !c.series || !c.series.length) return;
    figure.textContent = "";
    const caption = figure.appendChild(document.createElement("figcaption"));
    caption.textContent = c.title + " ";
    const dim = caption.appendChild(document.createElement("span"));
    dim.textContent = (c.unit && c.unit !== "1" ? "in " + c.unit : "") + (c.learn ? " (shaded: commissioning)" : "");
    const time = c.kind !== "spectrum";
    const data = table(c);
    const series = [{ label: time ? "time" : "Hz", value: (u, v) => (v == null ? "–" : time ? utc(v) : short(v)) }, ...curves(c)];
    const bands = c.series[0].low ? [{ series: [3, 2], fill: css("--band") }] : [];
    if (c.kind === "rul" && c.end) {
      data.push(data[0].map((t) => (t <= c.end ? (c.end - t) / 3600 : null)));
      series.push({ label: "by the label", stroke: css("--ink"), dash: [4, 3], width: 1, value: (u, v) => short(v) });
    }
    let y = {};
    if (c.kind === "risk") y = { range: [0, 1] };
    if (c.kind === "rul") { const m = top(data[1].concat(c.end ? data[4] : [])); y = { range: [0, m || 1] }; }
    if (c.kind === "spectrum") y = { range: (u, lo, hi) => [0, (hi || 1) * 1.12] };
    if (c.kind === "trend" && c.limits) {
      y = { range: (u, lo, hi) => { // a limit within reach of the values belongs in the picture
        for (const l of c.limits) if (l.at > lo - 2 * (hi - lo) && l.at < hi + 2 * (hi - lo)) { lo = Math.min(lo, l.at); hi = Math.max(hi, l.at); }
        const pad = 0.06 * (hi - lo || Math.abs(hi) || 1);
        return [lo - pad, hi + pad];
      } };
    }
    const axis = { stroke: css("--dim"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    const values = c.kind === "risk" ? (u, v) => v.map((x) => Math.round(100 * x) + " %") : (u, v) => v.map(short);
    new uPlot({
      width: Math.max(280, figure.clientWidth), height: 200, series, bands,
      tzDate: (s) => uPlot.tzDate(new Date(s * 1000), "Etc/UTC"),
      scales: { x: time && c.span[1] > c.span[0] ? { time, range: (u, lo, hi) => (lo === data[0][0] && hi === data[0][data[0].length - 1] ? c.span : [lo, hi]) } : { time }, y },
      axes: [time ? { ...axis, values: when } : { ...axis, values: (u, v) => v.map(short) }, { ...axis, size: 58, values }],
      legend: { show: true }, hooks: { drawClear: [under(c)], draw: [over(c)] },
    }, data, figure);
  };

  const all = [...document.querySelectorAll("figure[data-chart]")];
  const drawn = new Set();
  const show = (f) => { if (!drawn.has(f)) { drawn.add(f); draw(f); } };
  const redraw = () => { for (const f of drawn) draw(f); };
  const seen = new IntersectionObserver((es) => es.forEach((e) => { if (e.isIntersecting) { seen.unobserve(e.target); show(e.target); } }), { rootMargin: "600px" });
  all.forEach((f) => seen.observe(f));
  addEventListener("beforeprint", () => all.forEach(show));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth, timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 150);
  });

  for (const t of document.querySelectorAll("table.sortable")) {
    const heads = [...t.tHead.rows[0].cells];
    heads.forEach((h, i) => h.addEventListener("click", () => {
      const up = h.getAttribute("aria-sort") === "descending";
      heads.forEach((o) => o.removeAttribute("aria-sort"));
      h.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (r) => { const d = r.cells[i]; return "v" in d.dataset ? (d.dataset.v === "" ? -Infinity : +d.dataset.v) : d.textContent.trim(); };
      const rows = [...t.tBodies[0].rows].sort((a, b) => { const x = value(a), y = value(b); return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1); });
      t.tBodies[0].append(...rows);
    }));
  }
})();
