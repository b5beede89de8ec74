// A JSON text as a collapsible tree. Children are created when their parent is opened.
const AT_ONCE = 200;

function node(name, value) {
  const label = name === null ? [] : [make("span", { class: "rnb-name", text: name }), ": "];
  if (value === null || typeof value !== "object") {
    const text = typeof value === "string" ? JSON.stringify(value) : String(value);
    return make("div", { class: "rnb-leaf" }, ...label,
      make("span", { class: `rnb-${value === null ? "null" : typeof value}`, text }));
  }
  const pairs = Object.entries(value);
  const size = Array.isArray(value) ? `[${pairs.length}]` : `{${pairs.length}}`;
  const head = focusable("summary", {}, ...label, make("span", { class: "rnb-size", text: size }));
  const folded = make("details", {}, head);
  let shown = 0;
  const more = () => {
    folded.querySelector(":scope > button")?.remove();
    for (const [key, child] of pairs.slice(shown, shown + AT_ONCE)) folded.append(node(key, child));
    shown += AT_ONCE;
    if (shown < pairs.length) {
      const text = `${(pairs.length - shown).toLocaleString("en")} more`;
      folded.append(focusable("button", { type: "button", class: "rnb-button", text, onclick: more }));
    }
  };
  folded.addEventListener("toggle", () => folded.open && !shown && more());
  folded.openNow = () => { more(); folded.open = true; };
  return folded;
}

function render({ model, el }) {
  el.classList.add("rnb-tree");
  el.setAttribute("role", "group");
  return watch(model, ["value", "label"], () => {
    el.setAttribute("aria-label", model.get("label"));
    const text = model.get("value");
    if (!text) return el.replaceChildren();
    const root = node(null, JSON.parse(text));
    root.openNow?.();
    el.replaceChildren(root);
  });
}

export default { render };
