// SVG plots by Observable Plot. Text stays text; colours follow the light or dark theme of the page.
"use strict";

elr.SERIES = 8; // number of colours

elr.plot = (label, draw) => {
  const place = elr.el("figure", { class: "plot" });
  elr.fitted(place, (width) =>
    Plot.plot({ width, height: Math.round(Math.max(280, Math.min(440, width * 0.6))), ariaLabel: label, marginLeft: 46, marginBottom: 40, ...draw(width) }),
  );
  return place;
};

elr.span = (values, room) => [Math.max(0, Math.min(...values) - room), Math.min(100, Math.max(...values) + room)];

// three significant digits, without trailing zeros
elr.short = (number) => String(Number(number.toPrecision(3)));

elr.kinds.front = (block) => {
  const { el } = elr;
  const kinds = [
    ["ranked", "var(--ink-1)", "circle", "measured"],
    ["lower bound", "var(--ink-3)", "triangle", "cost is a lower bound"],
    ["oracle", "var(--ink-2)", "square", "oracle, scored on high views"],
  ].filter(([part]) => block.points.some((point) => point.part === part));
  const of = Object.fromEntries(kinds.map((kind) => [kind[0], kind]));
  const macs = block.points.map((point) => point.macs);
  const onFront = block.front.map((number) => block.points.find((point) => point.number === number));
  const best = Math.max(...macs) * 1.4;
  const stairs = onFront.length ? [...onFront, { macs: best, score: onFront.at(-1).score }] : [];
  const across = (point) => Math.log10(point.macs);
  const every = d3.scaleLog([Math.min(...macs) / 1.4, best], [0, 1]).ticks(5);
  const ticks = every.length > 7 ? every.filter((tick) => /^[125]/.test(tick.toExponential())) : every;
  const tooltip = (point) => `row ${point.number}: ${point.name}\n${point.score.toFixed(2)} (${point.low.toFixed(1)} to ${point.high.toFixed(1)}) at ${elr.short(point.macs)} G`;
  const plot = elr.plot(block.label, () => ({
    x: { domain: [Math.min(...macs) / 1.4, best].map(Math.log10), label: "MACs per clip (G)", ticks: ticks.map(Math.log10), tickFormat: (_, at) => elr.short(ticks[at]), grid: true },
    y: { domain: elr.span(block.points.flatMap((point) => [point.low, point.high]), 2), label: `${block.score} (%)`, grid: true },
    marks: [
      Plot.line(stairs, { x: across, y: "score", curve: "step-after", stroke: "var(--ink-1)", strokeWidth: 1.5, strokeOpacity: 0.6 }),
      Plot.ruleX(block.points, { x: across, y1: "low", y2: "high", stroke: (point) => of[point.part][1], strokeOpacity: 0.35 }),
      ...kinds.map(([part, colour, symbol]) =>
        Plot.dot(block.points.filter((point) => point.part === part), { x: across, y: "score", symbol, r: 5, fill: colour, stroke: "var(--paper)", href: (point) => `#row-${point.number}`, ariaLabel: tooltip })),
      ...onFront.map((point, at) => // labels alternate sides, because neighbours often have nearly the same cost
        Plot.text([point], { x: across, y: "score", text: () => String(point.number), dx: at % 2 ? -9 : 9, dy: at % 2 ? -9 : 9, fontWeight: 600 })),
      Plot.tip(block.points, Plot.pointer({ x: across, y: "score", title: tooltip })),
    ],
  }));
  const legend = el("ul", { class: "legend" },
    ...kinds.map(([, colour, symbol, text]) => el("li", {}, swatch(colour, symbol), text)),
    onFront.length ? el("li", {}, `Pareto front: row ${block.front.join(", ")}`) : null);
  return el("div", {}, plot, legend);
};

elr.kinds.curves = (block) => {
  const { el } = elr;
  const sizes = new Map(block.series.flatMap((one) => one.points.map((point) => [point.pixels, point.size])));
  const pixelCounts = [...sizes.keys()].sort((one, other) => one - other);
  const shown = new Set(block.series.slice(0, Math.min(elr.SERIES, 6)).keys());
  const symbols = ["circle", "square", "triangle", "diamond", "star", "cross", "wye", "circle"];
  const look = (at) => ({ colour: `var(--line-${(at % elr.SERIES) + 1})`, symbol: symbols[at % symbols.length] });
  const across = (point) => Math.log2(point.pixels);
  const place = el("div");
  const draw = () => {
    const points = [...shown].sort((a, b) => a - b).flatMap((at) => block.series[at].points.map((point) => ({ ...point, at, name: block.series[at].name })));
    const tooltip = (point) => `${point.name}\n${point.size}: ${point.value.toFixed(2)}` + (point.low === undefined ? "" : ` (${point.low.toFixed(1)} to ${point.high.toFixed(1)})`);
    place.replaceChildren(
      elr.plot(block.label, () => ({
        x: { domain: [Math.log2(pixelCounts[0]) - 0.2, Math.log2(pixelCounts.at(-1)) + 0.2], ticks: pixelCounts.map(Math.log2), tickFormat: (_, at) => sizes.get(pixelCounts[at]), label: "low views (height x width)" },
        y: { domain: points.length ? elr.span(points.flatMap((point) => [point.low ?? point.value, point.high ?? point.value]), 2) : [0, 100], label: `${block.score} (%)`, grid: true },
        marks: [
          Plot.ruleX(points.filter((point) => point.low !== undefined), { x: across, y1: "low", y2: "high", stroke: (point) => look(point.at).colour, strokeOpacity: 0.35 }),
          ...[...shown].flatMap((at) => {
            const own = points.filter((point) => point.at === at);
            const { colour, symbol } = look(at);
            return [
              Plot.line(own, { x: across, y: "value", sort: across, stroke: colour, strokeWidth: 1.8, strokeDasharray: at >= elr.SERIES ? "5 3" : null }),
              Plot.dot(own, { x: across, y: "value", fill: colour, stroke: "var(--paper)", symbol, r: 4.5 }),
            ];
          }),
          Plot.tip(points, Plot.pointer({ x: across, y: "value", title: tooltip })),
        ],
      })),
    );
  };
  const box = (one, at) =>
    el("label", {}, el("input", { type: "checkbox", checked: shown.has(at), onchange: (event) => { event.target.checked ? shown.add(at) : shown.delete(at); draw(); } }), swatch(look(at).colour, look(at).symbol), one.name);
  draw();
  const rows = block.series.map((one) => [one.name, ...pixelCounts.map((pixels) => one.points.find((point) => point.pixels === pixels)?.value.toFixed(2) ?? "-")]);
  const columns = ["system", ...pixelCounts.map((pixels) => sizes.get(pixels))].map((title, at) => ({
    title, main: true, facet: false, numbers: at ? rows.map((cells) => (cells[at] === "-" ? null : Number(cells[at]))) : null,
  }));
  const numbers = el("details", {}, el("summary", {}, "As a table"), elr.kinds.table({ label: block.label, columns, rows, links: [], opens: [], link: 0 }));
  return el("div", { class: "curves" }, place, el("fieldset", {}, el("legend", {}, "Lines"), ...block.series.map(box)), numbers);
};

function swatch(colour, symbol) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const shapes = { circle: d3.symbolCircle, square: d3.symbolSquare, triangle: d3.symbolTriangle, diamond: d3.symbolDiamond, star: d3.symbolStar, cross: d3.symbolCross, wye: d3.symbolWye };
  element.setAttribute("viewBox", "-7 -7 14 14");
  element.setAttribute("class", "swatch");
  element.setAttribute("aria-hidden", "true");
  path.setAttribute("d", d3.symbol(shapes[symbol], 70)());
  path.setAttribute("style", `fill:${colour}`);
  element.append(path);
  return element;
}
