// Details of a row: the command that repeats it, its runs, its plan and its record; or the sources of a figure.
"use strict";

// plan and facts are indices into the block's pool; cells have the block's titles.
elr.opened = (details, { pool, titles }) => {
  const { el } = elr;
  const pairs = (indices) => elr.pairs(indices.map((index) => pool[index]));
  const parts = [];
  if (details.runs) {
    parts.push(runs(details.runs));
    if (details.notes.length) parts.push(el("h4", {}, "Notes"), ...details.notes.map((note) => el("p", {}, note)));
    parts.push(
      el("h4", {}, "The row"), elr.pairs(titles.map((title, at) => [title, details.cells[at]])),
      el("h4", {}, "Plan"), el("p", { class: "hint" }, "Highlighted: differs from the budget."), pairs(details.plan),
      el("h4", {}, details.runs.length > 1 ? "Record of the first run" : "Record"), pairs(details.facts),
    );
  } else {
    parts.push(el("h4", {}, "Source"), ...details.sources.map((source) => el("p", {}, elr.link(source.text, source.url))));
    if (details.notes.length) parts.push(el("h4", {}, "Notes"), ...details.notes.map((note) => el("p", {}, note)));
  }
  return el("div", {}, ...parts);

  function runs(each) {
    const command = el("code", { tabindex: "0" });
    const facts = el("div");
    const copied = el("span", { role: "status", class: "hint" });
    const copy = el("button", {
      type: "button",
      onclick: () => {
        const range = document.createRange(); // also select the text: a page opened from disk may not write to the clipboard, but Ctrl+C works
        range.selectNodeContents(command);
        window.getSelection().removeAllRanges();
        window.getSelection().addRange(range);
        const done = () => { copied.textContent = "copied"; };
        const not = () => { copied.textContent = document.execCommand("copy") ? "copied" : "selected: press Ctrl+C to copy"; };
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
          ["device", run.device], ["duration", run.took || "-"], ["finished", run.finished],
        ]),
      );
    };
    const pick = el("select", { onchange: (event) => show(event.target.selectedIndex) },
      ...each.map((run) => el("option", {}, `seed ${run.seed}, fold ${run.fold}: ${run.scores[0][1].split(" ")[0]}`)));
    show(0);
    return el(
      "div",
      {},
      each.length > 1 ? el("label", {}, `Run (${each.length} in total) `, pick) : null,
      el("h4", {}, "Repeat this run"),
      el("p", { class: "command" }, command, copy, copied),
      facts,
    );
  }
};
