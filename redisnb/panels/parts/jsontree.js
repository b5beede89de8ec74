// A JSON value that folds: what is inside is made when it is unfolded, and some at a time.
const BRANCHES = 200;
function branch(name, value, isOpen) {
  const label = name === null ? [] : [make("span", { class: "rp-key", text: seen(name) }), ": "];
  if (value === null || typeof value !== "object") {
    const text = typeof value === "string" ? seen(JSON.stringify(value)) : String(value);
    return make("div", {}, ...label, make("span", { class: `rp-${value === null ? "null" : typeof value}`, text }));
  }
  const pairs = Object.entries(value), ends = Array.isArray(value) ? "[]" : "{}";
  const size = make("span", { class: "rp-soft", text: ends[0] + thousands(pairs.length) + ends[1] });
  const el = make("details", {}, control("summary", {}, ...label, size));
  let shown = 0;
  const more = () => {
    el.querySelector(":scope > button")?.remove();
    el.append(...pairs.slice(shown, (shown += BRANCHES)).map(([key, each]) => branch(key, each, false)));
    if (shown < pairs.length) {
      el.append(button({ class: "rp-button", text: `${thousands(pairs.length - shown)} more`, onclick: more }));
    }
  };
  el.addEventListener("toggle", () => el.open && !shown && more());
  if (isOpen) {
    more();
    el.open = true;
  }
  return el;
}

function jsontree(view, node) {
  const el = make("div", { role: "group", "aria-label": node.props.label });
  const update = ({ value }) => {
    if (value !== undefined) el.replaceChildren(...(value === null ? [] : [branch(null, value, true)]));
  };
  return { el, update };
}
