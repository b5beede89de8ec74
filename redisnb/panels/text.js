// One element for each line, filled by textContent alone: no markup, no formula, no script.
function render({ model, el }) {
  const show = () => {
    const lines = model.get("value").split("\n").map((text) => {
      const line = document.createElement("div");
      line.className = "rnb-line";
      line.textContent = text;
      return line;
    });
    el.replaceChildren(...(model.get("value") ? lines : []));
  };
  if (model.get("role")) el.setAttribute("role", model.get("role"));
  if (model.get("label")) {
    el.setAttribute("aria-label", model.get("label"));
    // A part with a name of its own scrolls, so the keyboard must reach it; JupyterLab's own
    // shortcuts ("d d" deletes the cell) must not act meanwhile.
    el.tabIndex = 0;
    el.dataset.lmSuppressShortcuts = "true";
  }
  model.on("change:value", show);
  show();
  return () => model.off("change:value", show);
}

export default { render };
