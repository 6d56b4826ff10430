// Build DOM elements from text. No HTML is parsed: names are displayed as characters.
"use strict";
const elr = { kinds: {} };

// elr.el("td", { class: "number", title: "…" }, "text" or element, …)
elr.el = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};

// A link if the address is http(s) or a page of this site; otherwise the text alone.
elr.link = (text, url) => {
  const safe = /^(https?:\/\/|#|(\.\.\/)*[\w.,=/-]+\.html$)/.test(url || "");
  return safe ? elr.el("a", { href: url, rel: "noreferrer" }, text) : elr.el("span", {}, text);
};

// A definition list of [[name, value, highlighted?], …].
elr.pairs = (pairs) =>
  elr.el(
    "dl",
    { class: "pairs" },
    ...pairs.map(([name, value, marked]) =>
      elr.el("div", marked ? { class: "marked" } : {}, elr.el("dt", {}, name), elr.el("dd", {}, value)),
    ),
  );

// Draw into `place` now and whenever its width changes.
elr.fitted = (place, draw) => {
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(place.clientWidth);
    if (now && now !== width) {
      width = now;
      place.replaceChildren(draw(now));
    }
  }).observe(place);
};
