// A list of which one item is chosen. The list has the focus; the item that the arrow keys are at is
// its active descendant.

function listitem(view, node) {
  const name = cutName(), value = make("span", { class: "rp-value" }), line = spark(42, 14);
  const amount = make("span", { class: "rp-value" }), badge = make("span", { class: "rp-badge", "data-tone": "good" });
  const el = make("div", { role: "option", id: fresh() }, make("span", { class: "rp-dot" }), name, value, line, amount, badge);
  const update = (props) => {
    if (props.name !== undefined) name.show(props.name);
    put(value, node.props.value);
    put(amount, node.props.amount);
    put(badge, node.props.badge);
    amount.hidden = !node.props.amount;
    badge.hidden = !node.props.badge;
    line.style.display = node.props.amount || node.props.badge ? "none" : "";
    el.title = node.props.why;
    if (props.points) line.show(props.points);
    if (props.chosen !== undefined) el.ariaSelected = String(props.chosen);
  };
  return { el, update };
}

function listbox(view, node) {
  const el = control("div", { role: "listbox", tabindex: 0, "aria-label": node.props.label });
  let active = null;
  const items = () => [...el.querySelectorAll("[role=option]")];
  const go = (item) => {
    active?.classList.remove("rp-active");
    active = item;
    if (!active) return;
    active.classList.add("rp-active");
    el.setAttribute("aria-activedescendant", active.id);
    active.scrollIntoView({ block: "nearest" });
  };
  const choose = (item) => view.act(node, "choose", { item: item.dataset.part });
  el.addEventListener("focus", () => {
    if (!active?.isConnected) go(items().find((each) => each.ariaSelected === "true") ?? items()[0] ?? null);
  });
  el.addEventListener("click", (event) => {
    const item = event.target.closest("[role=option]");
    if (!item) return;
    go(item);
    choose(item);
  });
  el.addEventListener("keydown", (event) => {
    const all = items(), at = all.indexOf(active);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined && all.length) go(all[Math.max(0, Math.min(all.length - 1, to))]);
    else if ((event.key === "Enter" || event.key === " ") && active) choose(active);
    else return;
    event.preventDefault();
  });
  return { el };
}
