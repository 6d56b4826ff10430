// What a row opens: the command that runs it again, its runs, its plan and what its record says; or a figure's sources.
"use strict";

// Of a table's block: plans and facts are places in its pool, and cells are those that its titles name.
elr.opened = (what, { pool, titles }) => {
  const { el } = elr;
  const pairs = (places) => elr.pairs(places.map((place) => pool[place]));
  const parts = [];
  if (what.runs) {
    parts.push(runs(what.runs));
    if (what.notes.length) parts.push(el("h4", {}, "Notes"), ...what.notes.map((note) => el("p", {}, note)));
    parts.push(
      el("h4", {}, "The row"), elr.pairs(titles.map((title, at) => [title, what.cells[at]])),
      el("h4", {}, "Plan"), el("p", { class: "hint" }, "Marked: other than the budget's."), pairs(what.plan),
      el("h4", {}, what.runs.length > 1 ? "Record of the first run" : "Record"), pairs(what.facts),
    );
  } else {
    parts.push(el("h4", {}, "Source"), ...what.sources.map((source) => el("p", {}, elr.link(source.text, source.url))));
    if (what.notes.length) parts.push(el("h4", {}, "Notes"), ...what.notes.map((note) => el("p", {}, note)));
  }
  return el("div", {}, ...parts);

  function runs(each) {
    const command = el("code", { tabindex: "0" });
    const facts = el("div");
    const copied = el("span", { role: "status", class: "hint" });
    const copy = el("button", {
      type: "button",
      onclick: () => {
        const range = document.createRange(); // selected too: where a page from disk may not write the clipboard, Ctrl+C does
        range.selectNodeContents(command);
        window.getSelection().removeAllRanges();
        window.getSelection().addRange(range);
        const done = () => { copied.textContent = "copied"; };
        const not = () => { copied.textContent = document.execCommand("copy") ? "copied" : "selected: copy it with Ctrl+C"; };
        if (navigator.clipboard) navigator.clipboard.writeText(command.textContent).then(done, not);
        else not();
      },
    }, "Copy");
    const show = (at) => {
      const run = each[at];
      command.textContent = run.command;
      copied.textContent = "";
      facts.replaceChildren(
        elr.pairs([
          ["seed", run.seed], ["fold", run.fold], ["digest", run.digest], ...run.scores,
          ["device", run.device], ["took", run.took || "-"], ["finished", run.finished],
        ]),
      );
    };
    const pick = el("select", { onchange: (event) => show(event.target.selectedIndex) },
      ...each.map((run) => el("option", {}, `seed ${run.seed}, fold ${run.fold}: ${run.scores[0][1].split(" ")[0]}`)));
    show(0);
    return el(
      "div",
      {},
      each.length > 1 ? el("label", {}, `Run, of ${each.length} `, pick) : null,
      el("h4", {}, "Run it again"),
      el("p", { class: "command" }, command, copy, copied),
      facts,
    );
  }
};
