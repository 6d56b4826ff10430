// A table with sortable headings, filters and row details. TanStack Table holds the state; elements are built here.
"use strict";

elr.FIRST = 200; // rows drawn at first; a button shows the rest

elr.kinds.table = (block) => {
  const { el } = elr;
  const opens = block.opens.length > 0;
  const data = block.rows.map((cells, at) => ({ at, cells, words: cells.join("\n").toLowerCase() }));
  let limit = elr.FIRST;

  const columns = block.columns.map((column, at) => ({
    id: String(at),
    accessorFn: column.numbers
      ? (row) => column.numbers[row.at] ?? undefined
      : (row) => (row.cells[at] === "-" ? undefined : row.cells[at]),
    sortUndefined: "last",
    sortingFn: column.numbers
      ? "basic"
      : (one, other, id) => one.getValue(id).localeCompare(other.getValue(id), "en", { numeric: true }),
    sortDescFirst: Boolean(column.numbers) && !["#", "rank"].includes(column.title),
    filterFn: (row, id, wanted) => row.original.cells[at] === wanted,
    enableGlobalFilter: at === 0, // the filter reads the whole row, so one column is enough
  }));
  const table = TableCore.createTable({
    data,
    columns,
    state: {},
    renderFallbackValue: null,
    onStateChange: () => {},
    getColumnCanGlobalFilter: () => true,
    globalFilterFn: (row, id, wanted) => wanted.every((word) => row.original.words.includes(word)),
    getCoreRowModel: TableCore.getCoreRowModel(),
    getFilteredRowModel: TableCore.getFilteredRowModel(),
    getSortedRowModel: TableCore.getSortedRowModel(),
  });
  let state = table.initialState;
  table.setOptions((options) => ({
    ...options,
    state,
    onStateChange: (change) => {
      state = typeof change === "function" ? change(state) : change;
      table.setOptions((now) => ({ ...now, state }));
      draw();
    },
  }));

  const rowElements = new Map();
  const openRows = new Map();
  const toggle = (at, open = !openRows.has(at)) => {
    const row = rowElements.get(at);
    row.querySelector("button.opens").setAttribute("aria-expanded", String(open));
    if (open && !openRows.has(at)) openRows.set(at, opened(at));
    if (open) row.after(openRows.get(at)); // the row itself is not moved, so it keeps the focus
    else {
      openRows.get(at)?.remove();
      openRows.delete(at);
    }
  };
  const opened = (at) =>
    el(
      "tr",
      { class: "opened" },
      el("td", { colspan: block.columns.length }, el("div", { class: "seen" }, elr.opened(block.opens[at], block))),
    );

  const cellOf = (row, column, at) => {
    const text = row.cells[at];
    const classes = [column.numbers ? "number" : "", column.main ? "" : "more", text === "-" ? "nothing" : "", text.length <= 12 ? "short" : ""];
    let inner = text;
    if (opens && at === 0) {
      inner = el("button", { class: "opens", type: "button", "aria-expanded": "false", "aria-label": `Open row ${name(row)}` }, text);
    } else if (block.links.length && at === block.link) inner = elr.link(text, block.links[row.at]);
    const cell = el(at === block.link && !(opens && at === 0) ? "th" : "td", { class: classes.join(" ").trim() || null }, inner);
    if (cell.tagName === "TH") cell.setAttribute("scope", "row");
    if (column.bar && column.numbers[row.at] !== null) cell.style.setProperty("--bar-width", `${column.numbers[row.at]}%`);
    if (column.bar) cell.classList.add("bar");
    return cell;
  };
  const name = (row) => {
    const named = block.columns.findIndex((column) => ["method", "system", "paper"].includes(column.title));
    return named > 0 ? `${row.cells[0]}, ${row.cells[named]}` : row.cells[0];
  };
  const rowElement = (row) => {
    const element = el("tr", {}, ...block.columns.map((column, at) => cellOf(row, column, at)));
    if (block.columns[0].title === "#") element.id = `row-${row.cells[0]}`;
    if (opens) {
      element.classList.add("can-open");
      element.addEventListener("click", (event) => {
        if (!event.target.closest("a") && !String(window.getSelection())) toggle(row.at);
      });
    }
    rowElements.set(row.at, element);
    return element;
  };

  const headings = block.columns.map((column, at) =>
    el(
      "th",
      { scope: "col", "aria-sort": "none", class: [column.numbers ? "number" : "", column.main ? "" : "more"].join(" ").trim() || null },
      el("button", { type: "button", onclick: () => table.getColumn(String(at)).toggleSorting() }, column.title),
    ),
  );
  const body = el("tbody");
  const count = el("p", { class: "count", role: "status" });
  const rest = el("button", { type: "button", class: "rest", hidden: true, onclick: () => { limit = Infinity; draw(); } });

  let shown = "";
  const tell = () => {
    const wide = scroll.scrollWidth > scroll.clientWidth + 1;
    count.textContent = wide ? `${shown}; scroll right for more columns` : shown;
  };
  const draw = () => {
    const rows = table.getRowModel().rows;
    const elements = [];
    for (const { original } of rows.slice(0, limit)) {
      elements.push(rowElements.get(original.at) || rowElement(original));
      if (openRows.has(original.at)) elements.push(openRows.get(original.at));
    }
    body.replaceChildren(...elements);
    headings.forEach((heading, at) => {
      const way = table.getColumn(String(at)).getIsSorted();
      heading.setAttribute("aria-sort", way ? `${way}ending` : "none");
    });
    const all = `${data.length} row${data.length === 1 ? "" : "s"}`;
    shown = rows.length === data.length ? all : `${rows.length} of ${all}`;
    tell();
    rest.hidden = rows.length <= limit;
    rest.textContent = `Show ${rows.length - limit} more rows`;
  };

  const scroll = el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": block.label },
    el("table", {}, el("caption", {}, block.label), el("thead", {}, el("tr", {}, ...headings)), body),
  );
  new ResizeObserver(() => {
    scroll.style.setProperty("--seen", `${scroll.clientWidth}px`);
    tell();
  }).observe(scroll);
  const place = el("div", { class: "table" }, tools(), scroll, rest);
  place.id = block.key || "";
  draw();
  if (block.columns[0].title === "#" && opens) {
    elr.rows.push((number) => {
      const at = block.rows.findIndex((cells) => cells[0] === number);
      if (at < 0) return null;
      if (!rowElements.has(at)) { limit = Infinity; draw(); }
      if (rowElements.get(at).isConnected === false) table.resetGlobalFilter(true), table.resetColumnFilters(true);
      toggle(at, true);
      return rowElements.get(at);
    });
  }
  return place;

  function tools() {
    const parts = [];
    if (data.length > 5) {
      const words = (event) => table.setGlobalFilter(event.target.value.toLowerCase().split(/\s+/).filter(Boolean));
      parts.push(el("label", {}, "Filter ", el("input", { type: "search", oninput: words, placeholder: "words of a row" })));
      block.columns.forEach((column, at) => {
        if (!column.facet) return;
        const kinds = [...new Set(block.rows.map((cells) => cells[at]))];
        const pick = (event) => table.getColumn(String(at)).setFilterValue(event.target.selectedIndex ? kinds[event.target.selectedIndex - 1] : undefined);
        parts.push(
          el("label", {}, `${column.title} `, el("select", { onchange: pick }, el("option", {}, "all"), ...kinds.map((kind) => el("option", {}, kind)))),
        );
      });
    }
    if (block.columns.some((column) => !column.main)) {
      const every = el("input", { type: "checkbox", onchange: () => scroll.classList.toggle("every", every.checked) });
      parts.push(el("label", { class: "all-columns" }, every, " all columns"));
    }
    return el("div", { class: "tools" }, ...parts, count);
  }
};

elr.rows = []; // one function per numbered table: open a row and return its element, or null if there is no such row
elr.openRow = (number) => {
  const row = elr.rows.map((open) => open(number)).find(Boolean);
  if (row) {
    row.scrollIntoView({ block: "center" });
    row.querySelector("button.opens").focus({ preventScroll: true });
  }
};
