// The page: its data, block by block. Loaded last.
"use strict";

elr.kinds.heading = (block) => elr.el(`h${block.level}`, { id: block.key || null }, block.text);
elr.kinds.text = (block) => elr.el("div", {}, ...block.paragraphs.map((each) => elr.el("p", {}, each)));
elr.kinds.more = (block) => elr.el("details", {}, elr.el("summary", {}, block.label), ...block.paragraphs.map((each) => elr.el("p", {}, each)));

elr.show = () => {
  const { el } = elr;
  const page = JSON.parse(document.getElementById("page").textContent);
  const links = page.links.map((link) => el("li", {}, el("a", { href: link.url, "aria-current": link.here ? "page" : null }, link.text)));
  const main = el("main", { id: "main", tabindex: "-1" }, el("h1", {}, page.title));
  document.body.append(
    el("a", { class: "skip", href: "#main" }, "Skip to the tables"),
    el("header", {}, el("nav", { "aria-label": "Pages" }, el("ul", {}, ...links))),
    main,
    el("footer", {}, el("p", {}, "Made by elrbench site from the records alone.")),
  );
  for (const block of page.blocks) main.append(elr.kinds[block.kind](block));
  const follow = () => {
    const row = /^#row-(\d+)$/.exec(window.location.hash);
    if (row) elr.openRow(row[1]);
  };
  window.addEventListener("hashchange", follow);
  follow();
};
elr.show();
