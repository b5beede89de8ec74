// A text of many lines with their numbers and the place of an error; and a line of steps.

function editor(view, node) {
  const { label, hint } = node.props;
  const id = fresh(), why = make("div", { class: "rp-why", id: `${id}-why`, role: "status" });
  const field = control("textarea", {
    id, "aria-label": label, placeholder: hint, autocomplete: "off", spellcheck: "false", wrap: "off", "aria-describedby": why.id,
  });
  const numbers = make("div", { class: "rp-numbers", "aria-hidden": "true" });
  // Behind the text, which is as wide as its characters: lines do not wrap.
  const spot = make("div", { class: "rp-spot", hidden: true });
  const el = make("div", {}, make("div", { class: "rp-sheet" }, numbers, spot, field), why);
  let typing = 0, drawn = 0;
  const act = (name) => {
    clearTimeout(typing);
    view.act(node, name);
  };
  const place = () => {
    const { line, column } = node.props, style = getComputedStyle(field);
    numbers.scrollTop = field.scrollTop;
    spot.hidden = !line;
    if (!line) return;
    const height = parseFloat(style.lineHeight), top = parseFloat(style.paddingTop) + (line - 1) * height - field.scrollTop;
    spot.style.cssText = `top:${top}px;height:${height}px`;
    spot.hidden = top < 0 || top > field.clientHeight - height / 2;
    spot.style.setProperty("--column", column - 1);
    spot.style.setProperty("--scrolled", `${field.scrollLeft}px`);
    [...numbers.children].forEach((each, i) => each.classList.toggle("rp-blamed", i === line - 1));
  };
  const count = () => {
    const lines = Math.min(10000, field.value.split("\n").length);
    if (lines !== drawn) numbers.replaceChildren(...Array.from({ length: lines }, (_, i) => make("div", { text: String(i + 1) })));
    drawn = lines;
    place();
  };
  field.addEventListener("input", () => {
    view.keep(node, field.value);
    clearTimeout(typing);
    typing = setTimeout(act, TYPED, "typed");
    count();
  });
  field.addEventListener("change", () => act("left"));
  field.addEventListener("scroll", place);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    act("enter");
  });
  // The words of an error lead to its place.
  why.addEventListener("click", () => {
    const { line, column } = node.props;
    if (!line) return;
    const at = field.value.split("\n").slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
    field.focus();
    field.setSelectionRange(at, at);
  });
  const update = ({ value, error, disabled }) => {
    if (value !== undefined && field.value !== value) {
      const [from, to] = [field.selectionStart, field.selectionEnd];
      field.value = value;
      if (view.focused() === field) field.setSelectionRange(from, to);
    }
    if (error !== undefined) {
      put(why, error.split("\n").map(seen).join("\n"));
      field.ariaInvalid = String(Boolean(error));
    }
    if (disabled !== undefined) {
      field.readOnly = Boolean(disabled);
      field.title = disabled;
    }
    count();
    if (!node.props.line) for (const each of numbers.children) each.classList.remove("rp-blamed");
  };
  return { el, update, close: () => clearTimeout(typing) };
}

function slider(view, node) {
  const id = fresh(), field = control("input", { id, type: "range", min: 0, step: 1 }), word = make("output", { for: id });
  const el = make("div", {}, make("label", { for: id, class: "rp-soft", text: node.props.label }), field, word);
  const say = (at, said = "") => {
    put(word, said || node.props.steps[at]);
    field.setAttribute("aria-valuetext", said || node.props.steps[at]);
  };
  field.addEventListener("input", () => say(Number(field.value)));
  field.addEventListener("change", () => {
    if (node.props.disabled) field.value = node.props.value;
    else view.choose(node, Number(field.value));
  });
  const update = () => {
    const { steps, value, disabled } = node.props;
    field.max = steps.length - 1;
    if (view.focused() !== field || Number(field.value) !== value) field.value = value;
    field.ariaDisabled = String(Boolean(disabled));
    el.title = disabled;
    say(value, node.props.said);
  };
  return { el, update };
}
