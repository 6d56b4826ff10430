// Scores per class of two rows, which the reader selects. Default: the first row, and its control or the second row.
"use strict";

elr.kinds.classes = (block) => {
  const { el } = elr;
  const place = el("div");
  const picks = block.pick.map((number, side) => {
    const at = block.rows.findIndex((row) => row.number === number);
    const options = block.rows.map((row, place) => el("option", { selected: place === at }, `${row.number}. ${row.name}`));
    return el("select", { onchange: () => draw(), "aria-label": `Row ${"AB"[side]}` }, ...options);
  });
  const draw = () => {
    const [a, b] = picks.map((pick) => block.rows[pick.selectedIndex]);
    const { names, n } = block.classes[a.classes];
    const other = new Map(block.classes[b.classes].names.map((name, at) => [name, b.values[at]]));
    const values = names.map((name, at) => [a.values[at], other.get(name) ?? null]);
    const gaps = values.map(([one, two]) => (one === null || two === null ? null : one - two));
    const fixed = (value) => (value === null ? "-" : value.toFixed(2));
    const signed = (value) => (value === null ? "-" : (value < 0 ? "" : "+") + value.toFixed(2));
    const rows = names.map((name, at) => [name, String(n[at]), fixed(values[at][0]), fixed(values[at][1]), signed(gaps[at])]);
    const numbers = [null, n, values.map((pair) => pair[0]), values.map((pair) => pair[1]), gaps];
    const columns = ["class", "clips", `A: ${a.number}`, `B: ${b.number}`, "A − B"].map((title, at) => ({
      title, main: at !== 1, facet: false, numbers: numbers[at], bar: at === 2 || at === 3,
    }));
    place.replaceChildren(elr.kinds.table({ label: block.label, columns, rows, links: [], opens: [], link: 0 }));
  };
  draw();
  return el("div", { class: "classes" }, el("div", { class: "tools" }, ...picks.map((pick, side) => el("label", {}, `${"AB"[side]} `, pick))), place);
};
