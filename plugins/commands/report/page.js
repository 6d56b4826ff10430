"use strict";
// Draw the plots of a report from the JSON in the page. Plot inserts names as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("plots").textContent);
  const COLOURS = ["#4269d0", "#c98a00", "#e0505f", "#3f9c9c", "#3ca951", "#d9579b", "#8b6fd6", "#6f93c4", "#8f6b3e", "#7d8590"];
  const SIGNS = ["circle", "diamond", "triangle", "square", "star", "wye", "cross"];
  const FONT = "12px system-ui, sans-serif";
  const percent = (value) => (100 * value).toFixed(1) + " %";
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = FONT;
  const widest = (names, most) => Math.min(most, 14 + Math.max(0, ...names.map((name) => ruler.measureText(name).width)));
  // Shorten names on an axis to `room` pixels.
  const short = (name, room) => {
    if (ruler.measureText(name).width <= room) return name;
    let letters = Array.from(name.replace(/\s+/g, " "));
    while (letters.length > 1 && ruler.measureText(letters.join("") + "…").width > room) letters.pop();
    return letters.join("") + "…";
  };
  const common = { style: { font: FONT, fontSize: "12px", background: "transparent" } };

  function perClass(width) {
    const rows = data.per_class.map((row, place) => ({ ...row, place }));
    const order = rows.slice().sort((a, b) => (b.value ?? -1) - (a.value ?? -1)).map((row) => row.place);
    const left = widest(rows.map((row) => row.name), width * 0.4);
    const there = rows.filter((row) => row.value !== null);
    const title = (row) => `${row.name}\n${data.metric} ${percent(row.value)}, ${row.n} clips` +
      (row.low === null ? "" : `\n95 % ${percent(row.low)} to ${percent(row.high)}`);
    return Plot.plot({
      ...common, width, height: 18 * rows.length + 60, marginLeft: left, marginRight: 16, marginBottom: 40, ariaLabel: data.metric + " of each class",
      x: { domain: [0, 1], label: data.metric + " (%)", tickFormat: (value) => String(Math.round(100 * value)), grid: true },
      y: { domain: order, label: null, tickSize: 0, tickFormat: (place) => short(rows[place].name, left - 12) },
      marks: [
        Plot.barX(there, { x: "value", y: "place", fill: "var(--right)", fillOpacity: 0.75, insetTop: 2, insetBottom: 2 }),
        Plot.ruleY(there.filter((row) => row.low !== null), { x1: "low", x2: "high", y: "place", stroke: "currentColor" }),
        Plot.tip(there, Plot.pointerY({ x: "value", y: "place", title })),
      ],
    });
  }

  function matrix(width) {
    const { classes, counts, n, multi } = data.matrix;
    const left = widest(classes, width * 0.3);
    const top = widest(classes, 110);
    const side = Math.max(2, Math.min(34, (width - left - 4) / classes.length));
    const cells = counts.flatMap((row, i) => row.map((count, j) => ({ i, j, count, share: n[i] ? count / n[i] : 0 })));
    const filled = cells.filter((cell) => cell.count);
    const named = side >= 11;
    const size = Math.min(12, side / 2.6);
    const axis = { domain: classes.map((_, place) => place), tickSize: 0, label: null, padding: 0 };
    const title = (cell) => `label ${classes[cell.i]}\npredicted ${classes[cell.j]}\n${cell.count} of ${n[cell.i]} clips (${percent(cell.share)})`;
    return Plot.plot({
      ...common, width: left + side * classes.length + 4, height: (named ? top : 8) + side * classes.length + 4,
      marginLeft: left, marginTop: named ? top : 8, marginRight: 4, marginBottom: 4,
      ariaLabel: multi ? "Label co-occurrence" : "Confusion matrix",
      x: { ...axis, axis: named ? "top" : null, tickRotate: -90, tickFormat: (place) => short(classes[place], top - 12) },
      y: { ...axis, axis: named ? "left" : null, tickFormat: (place) => short(classes[place], left - 12) },
      marks: [
        Plot.cell(cells, { x: "j", y: "i", fill: "currentColor", fillOpacity: 0.05, inset: named ? 0.5 : 0 }),
        Plot.cell(filled, {
          x: "j", y: "i", inset: named ? 0.5 : 0,
          // At most 0.7, so that text stays readable in light and dark mode.
          fill: (cell) => (cell.i === cell.j ? "var(--hit)" : "var(--miss)"), fillOpacity: (cell) => 0.08 + 0.62 * cell.share,
        }),
        side >= 20 ? Plot.text(filled, {
          x: "j", y: "i", text: "count", fontSize: size, fill: "currentColor",
        }) : null,
        Plot.tip(filled, Plot.pointer({ x: "j", y: "i", title, maxRadius: side })),
      ],
      opacity: { type: "identity" }, color: { type: "identity" },
    });
  }

  function curves(width) {
    const box = document.createElement("div");
    for (const stage of new Set(data.curves.map((plot) => plot.stage))) {
      const heading = document.createElement("h3");
      heading.append(Object.assign(document.createElement("bdi"), { textContent: stage }));
      const several = Object.assign(document.createElement("div"), { className: "several" });
      box.append(heading, several);
      const plots = data.curves.filter((plot) => plot.stage === stage);
      const columns = Math.max(1, Math.floor((width + 12) / (272 + 12)));
      const each = Math.floor((width - 12 * (columns - 1)) / columns);
      for (const { title, points } of plots) {
        const cell = document.createElement("div");
        const names = [...new Set(points.map((point) => point.figure))];
        const epochs = new Set(points.map((point) => point.epoch));
        const [low, high] = d3.extent(points, (point) => point.value);
        const slack = Math.max(0, 0.005 * Math.max(Math.abs(low), Math.abs(high)) - (high - low) / 2);  // nearly constant values
        cell.append(Object.assign(document.createElement("h4"), { textContent: title }), Plot.plot({
          ...common, width: each, height: 180, marginLeft: 52, marginTop: 10, marginRight: 12, marginBottom: 38, ariaLabel: `${title} of ${stage} by epoch`,
          x: { label: "epoch", ticks: epochs.size > 1 ? d3.ticks(Math.min(...epochs), Math.max(...epochs), 5).filter(Number.isInteger) : [...epochs], tickFormat: "d" },
          y: { label: null, grid: true, ticks: 4, domain: [low - slack, high + slack], nice: true },
          color: { domain: names, range: names.map((_, place) => COLOURS[place % COLOURS.length]), legend: names.length > 1 },
          marks: [
            Plot.lineY(points, { x: "epoch", y: "value", stroke: "figure" }),
            epochs.size < 30 ? Plot.dot(points, { x: "epoch", y: "value", fill: "figure", r: 2 }) : null,
            Plot.tip(points, Plot.pointer({ x: "epoch", y: "value", title: (p) => `${p.figure}\nepoch ${p.epoch}: ${p.value}` })),
          ],
        }));
        several.append(cell);
      }
    }
    return box;
  }

  function features(width) {
    const points = data.features;
    const known = data.matrix.classes.filter((name) => points.some((point) => point.class === name));
    const classes = points.some((point) => point.class === "none") && !known.includes("none") ? [...known, "none"] : known;
    const colour = (_, place) => COLOURS[place % COLOURS.length];
    const sign = (_, place) => SIGNS[(place + Math.floor(place / COLOURS.length)) % SIGNS.length];
    return Plot.plot({
      ...common, width, height: Math.min(560, width), margin: 4, inset: 12, ariaLabel: "t-SNE of features",
      x: { axis: null }, y: { axis: null },
      color: { domain: classes, range: classes.map(colour) },
      symbol: { domain: classes, range: classes.map(sign), legend: true },
      marks: [
        Plot.frame({ strokeOpacity: 0.3 }),
        Plot.dot(points, { x: "x", y: "y", fill: "class", symbol: "class", r: 4, stroke: "var(--page)", strokeWidth: 0.5 }),
        Plot.tip(points, Plot.pointer({ x: "x", y: "y", title: (p) => `${p.id}\n${p.classes.join(", ")}` })),
      ],
    });
  }

  const makers = { per_class: perClass, matrix, curves, features };
  const draw = (place) => {
    const width = Math.floor(place.clientWidth);
    if (!width || place.dataset.width === String(width)) return;
    place.dataset.width = String(width);
    place.replaceChildren(makers[place.dataset.plot](width));
  };
  const places = document.querySelectorAll("[data-plot]");
  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => requestAnimationFrame(() => draw(entry.target))));
  places.forEach((place) => { draw(place); watcher.observe(place); });
  document.documentElement.dataset.drawn = String(document.querySelectorAll("[data-plot] svg").length);
})();
