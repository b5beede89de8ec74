// Texts, and what the user presses, types and chooses. Each kind is a function of a view and a node;
// it returns its element, how it changes, and where its children go if not in the element.
const TYPED = 250;

function box(view, node) {
  const { label } = node.props;
  return { el: make("div", label ? { role: "group", "aria-label": label } : {}) };
}

function label(view, node) {
  const { role, look } = node.props;
  const name = look === "name" ? cutName() : null;
  const el = make(look === "title" ? "h3" : "div", { role: role || null }, ...(name ? [name] : []));
  const update = ({ text }) => {
    if (text === undefined) return;
    const lines = text.split("\n").map(seen);
    if (name) name.show(text);
    else if (lines.length < 2) put(el, lines[0]);
    else el.replaceChildren(...lines.map((line) => make("div", { text: line })));
  };
  return { el, update };
}

function message(view, node) {
  const subject = make("b"), text = make("span"), place = make("span", { class: "rp-place" });
  const words = make("span", { class: "rp-words", role: node.props.tone === "bad" ? "alert" : "status" }, subject, text);
  const el = make("div", {}, make("span", { class: "rp-dot" }), words, place);
  const update = () => {
    put(subject, node.props.subject && `${seen(node.props.subject)}: `);
    put(text, node.props.text.split("\n").map(seen).join("\n"));
  };
  return { el, place, update };
}

function action(view, node) {
  const el = button({ class: "rp-button" });
  // Not `disabled`, which takes the focus away and hides the reason.
  el.addEventListener("click", () => {
    if (el.ariaDisabled !== "true" && el.ariaBusy !== "true") view.act(node, "press", {}, el);
  });
  const update = () => {
    const { label, disabled, tip, busy, expanded } = node.props;
    put(el, seen(label));
    if (expanded !== null) el.ariaExpanded = String(expanded);
    el.ariaDisabled = String(Boolean(disabled));
    el.title = disabled || tip;
    el.classList.toggle("rp-busy", busy);
  };
  return { el, update };
}

function input(view, node) {
  const { label, hint, quiet, wide, rows } = node.props;
  const id = fresh(), why = make("span", { class: "rp-why", id: `${id}-why`, role: "status" });
  const isLine = rows === 1;
  const field = control(isLine ? "input" : "textarea", {
    id, placeholder: hint, autocomplete: "off", spellcheck: "false", "aria-describedby": why.id,
    ...(isLine ? {} : { rows }),
  });
  const words = completion(field, node);
  const el = make("div", { class: wide ? "rp-wide" : "" },
    make("label", { for: id, class: quiet ? "rp-hidden" : "rp-soft", text: label }), field, words.list, why);
  let typing = 0;
  const act = (name) => {
    clearTimeout(typing);
    view.act(node, name);
  };
  field.addEventListener("input", () => {
    view.keep(node, field.value);
    clearTimeout(typing);
    if (node.props.live) typing = setTimeout(act, TYPED, "typed");
  });
  // A page that is loaded again shows what was typed.
  field.addEventListener("change", () => act("left"));
  field.addEventListener("keydown", (event) => {
    if (words.key(event)) return;
    if (event.key !== "Enter" || event.isComposing || !(isLine || event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    act("enter");
  });
  const update = ({ value, error, size, disabled, offers: offered }) => {
    if (value !== undefined && field.value !== value) {
      const [from, to] = [field.selectionStart, field.selectionEnd];
      field.value = value;
      if (view.focused() === field) field.setSelectionRange(from, to);
    }
    if (error !== undefined) {
      put(why, error.split("\n").map(seen).join("\n"));
      field.ariaInvalid = String(Boolean(error));
    }
    if (size !== undefined && isLine) field.size = size;
    if (disabled !== undefined) {
      field.readOnly = Boolean(disabled);
      field.title = disabled;
    }
    if (offered !== undefined) words.update();
  };
  return { el, update, close: () => clearTimeout(typing) };
}

function toggle(view, node) {
  const field = control("input", { type: "checkbox" }), text = make("span");
  const el = make("label", {}, field, text);
  field.addEventListener("change", () => {
    if (node.props.disabled) field.checked = node.props.value;
    else view.choose(node, field.checked);
  });
  const update = () => {
    put(text, node.props.label);
    field.checked = node.props.value;
    field.ariaDisabled = String(Boolean(node.props.disabled));
    el.title = node.props.disabled;
  };
  return { el, update };
}

function menu(view, node) {
  const id = fresh(), field = control("select", { id });
  const el = make("div", {}, make("label", { for: id, class: "rp-soft", text: node.props.label }), field);
  field.addEventListener("change", () => view.choose(node, field.value));
  const update = ({ options, disabled }) => {
    if (options) field.replaceChildren(...options.map(([value, text]) => make("option", { value, text: seen(text) })));
    field.value = node.props.value;
    if (disabled !== undefined) {
      field.disabled = Boolean(disabled);
      el.title = disabled;
    }
  };
  return { el, update };
}

// Buttons of which one is chosen: arrows move the focus, and the focus chooses.
function oneOf(role, mark) {
  return (view, node) => {
    const el = make("div", { role: role === "tab" ? "tablist" : "radiogroup", "aria-label": node.props.label });
    el.addEventListener("keydown", (event) => {
      const all = [...el.children], at = all.indexOf(event.target.closest("button"));
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (to === undefined || at < 0) return;
      const next = all[(to + all.length) % all.length];
      next.focus();
      next.click();
      event.preventDefault();
    });
    let written = "";
    const update = () => {
      const { options, value, disabled } = node.props;
      if (JSON.stringify(options) !== written) {
        const old = new Map([...el.children].map((each) => [each.dataset.value, each]));
        arrange(el, options.map(([name, text, badge, tone]) => {
          const made = old.get(name) ?? button({ role, "data-value": name,
            onclick: () => node.props.disabled || view.choose(node, name) });
          made.replaceChildren(seen(text), ...(badge ? [" ", make("span", { class: "rp-badge", "data-tone": tone, text: badge })] : []));
          return made;
        }));
        written = JSON.stringify(options);
      }
      const chosen = [...el.children].findIndex((each) => each.dataset.value === value);
      [...el.children].forEach((each, i) => {
        each.setAttribute(mark, i === chosen);
        each.ariaDisabled = String(Boolean(disabled));
        each.title = disabled;
        each.tabIndex = i === Math.max(0, chosen) ? 0 : -1;
      });
    };
    return { el, update };
  };
}
