// One element per line, filled through textContent only: no markup, no formulas, no scripts.
function render({ model, el }) {
  const show = () => {
    const text = model.get("value");
    const lines = text.split("\n").map((line) => make("div", { class: "rnb-line", text: line }));
    el.replaceChildren(...(text ? lines : []));
    el.dataset.tone = model.get("tone");
  };
  if (model.get("role")) el.setAttribute("role", model.get("role"));
  if (model.get("role") === "heading") el.setAttribute("aria-level", "3");
  if (model.get("label")) {
    el.setAttribute("aria-label", model.get("label"));
    // A part with an accessible name scrolls, so the keyboard must reach it.
    el.tabIndex = 0;
    el.dataset.lmSuppressShortcuts = "true";
  }
  return watch(model, ["value", "tone"], show);
}

export default { render };
