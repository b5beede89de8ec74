// Buttons and fields in a row. Each user action is a message {name, values, n} with all values, so
// that none is overtaken; until the kernel has answered with `last_n` >= n, the control is busy and
// accepts no second click.
const SOON = 150; // ms after which the row says that it is waiting: most answers come sooner
const QUEUED = "queued: waits for the kernel";
const TYPED = 300; // ms without a key press after which a field with `acts` sends its text

function render({ model, el }) {
  el.classList.add("rnb-controls");
  el.setAttribute("role", "group");
  const parts = new Map(); // name -> { box, input, get, set }
  const busy = new Map(); // name -> n
  const again = new Set(); // choices changed again while they were busy
  const status = make("span", { class: "rnb-busy-note", role: "status" });
  const tell = teller(model, lost);
  let sent = model.get("last_n"), gone = false, timer = 0;

  const values = () => Object.fromEntries(
    [...parts].filter(([, part]) => part.get).map(([name, part]) => [name, part.get()]));
  const isOff = (name) => Boolean(model.get("disabled")[name]);

  function act(name) {
    if (gone || isOff(name)) return;
    if (busy.has(name)) {
      // A second press is ignored; of two choices the second counts.
      if (parts.get(name).get) again.add(name);
      return;
    }
    busy.set(name, ++sent);
    tell({ name, values: values(), n: sent });
    showBusy();
  }
  // Store the typed text in the kernel, without an action.
  const keep = () => gone || tell({ name: "", values: values(), n: ++sent });

  function showBusy() {
    for (const [name, part] of parts) part.input.setAttribute("aria-busy", busy.has(name));
    clearTimeout(timer);
    if (!busy.size) {
      if (status.textContent === QUEUED) status.textContent = "";
      return;
    }
    timer = setTimeout(() => {
      status.textContent = QUEUED;
    }, SOON);
  }

  function field(part, input, attributes = {}) {
    const id = fresh("field"), why = fresh("why");
    input.id = id;
    input.setAttribute("aria-describedby", why);
    const box = make("div", { class: "rnb-field", ...attributes },
      make("label", { for: id, text: part.label }), input,
      make("div", { class: "rnb-error rnb-why", id: why, role: "alert" }));
    return box;
  }

  const kinds = {
    button(part) {
      const input = focusable("button", {
        type: "button", text: part.label, class: `rnb-button rnb-${part.look || "plain"}`,
        // The `detail` of a click counts the clicks of a double click.
        onclick: (event) => part.once && event.detail > 1 || act(part.name),
      });
      return { box: input, input, caption: input };
    },
    text(part) {
      const input = focusable("input", { type: "text", placeholder: part.hint, spellcheck: "false",
        autocomplete: "off" });
      let typing = 0;
      if (part.acts) {
        const typed = () => {
          clearTimeout(typing);
          typing = 0;
          act(part.name);
        };
        input.addEventListener("input", () => {
          clearTimeout(typing);
          typing = setTimeout(typed, TYPED);
        });
        // Leaving the field, for instance for a button elsewhere, confirms the text.
        input.addEventListener("change", () => typing && typed());
      }
      // Also with `acts`: an action in progress accepts no second one.
      input.addEventListener("change", keep);
      if (part.width) input.style.width = part.width;
      const wide = part.width === "100%" ? { class: "rnb-field rnb-wide" } : {};
      return { box: field(part, input, wide), input, get: () => input.value,
        set: (value) => { input.value = value; } };
    },
    area(part) {
      const input = focusable("textarea", { rows: part.rows || 8, spellcheck: "false",
        placeholder: part.hint, onchange: keep });
      return { box: field(part, input, { class: "rnb-field rnb-wide" }), input,
        get: () => input.value, set: (value) => { input.value = value; } };
    },
    choice(part) {
      const input = focusable("select", { onchange: () => act(part.name) });
      const fill = (options) => input.replaceChildren(
        ...options.map(([value, text]) => make("option", { value, text })));
      fill(part.options);
      return { box: field(part, input), input, get: () => input.value,
        set: (value) => { input.value = value; }, fill };
    },
    check(part) {
      const input = focusable("input", { type: "checkbox", id: fresh("check"),
        onchange: () => act(part.name) });
      const box = make("div", { class: "rnb-check" }, input,
        make("label", { for: input.id, text: part.label }));
      return { box, input, get: () => input.checked, set: (value) => { input.checked = value; } };
    },
    tabs(part) {
      // One tab stop; the arrow keys move between the tabs, as in any tab list.
      const input = make("div", { role: "tablist", "aria-label": part.label, class: "rnb-tabs" });
      let chosen = "";
      const choose = (value) => {
        chosen = value;
        for (const tab of input.children) {
          const isIt = tab.dataset.value === value;
          tab.setAttribute("aria-selected", isIt);
          tab.tabIndex = isIt ? 0 : -1;
        }
      };
      const move = (tab) => {
        tab.focus();
        choose(tab.dataset.value);
        act(part.name);
      };
      for (const [value, text] of part.options) {
        input.append(focusable("button", { type: "button", role: "tab", text, "data-value": value,
          onclick: (event) => move(event.currentTarget) }));
      }
      input.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        event.preventDefault();
        const tabs = [...input.children];
        move(tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length]);
      });
      return { box: input, input, get: () => chosen, set: choose };
    },
    pairs(part) {
      // A name and a value per line; Enter in the last line adds one.
      const list = make("div", { class: "rnb-pairs", role: "group", "aria-label": part.label });
      const why = make("div", { class: "rnb-error rnb-why", role: "alert" });
      const line = (name = "", value = "") => {
        const element = make("div", { class: "rnb-pair" },
          focusable("input", { type: "text", "aria-label": "Field", value: name, onchange: keep,
            spellcheck: "false", autocomplete: "off" }),
          focusable("input", { type: "text", "aria-label": "Value", value, onchange: keep,
            spellcheck: "false", autocomplete: "off" }),
          focusable("button", { type: "button", class: "rnb-button", "aria-label": "Remove field",
            text: "×", onclick: () => remove(element) }));
        element.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
          if (event.target.tagName !== "INPUT") return;
          event.preventDefault();
          const next = element.nextElementSibling ?? add();
          next.querySelector("input").focus();
        });
        return element;
      };
      const add = () => {
        const element = line();
        list.append(element);
        return element;
      };
      const remove = (element) => {
        const near = element.nextElementSibling ?? element.previousElementSibling;
        element.remove();
        (near?.querySelector("input") ?? plus).focus();
        keep();
      };
      const plus = focusable("button", { type: "button", class: "rnb-button", text: "Add field",
        onclick: () => add().querySelector("input").focus() });
      const get = () => [...list.children].map((each) =>
        [...each.querySelectorAll("input")].map((input) => input.value));
      const set = (pairs) => list.replaceChildren(...pairs.map((pair) => line(...pair)));
      return { box: make("div", { class: "rnb-field rnb-wide" }, list, why, plus), input: list,
        get, set, why };
    },
    progress(part) {
      const input = make("progress", { "aria-label": part.label });
      const text = make("span", { class: "rnb-note" });
      const set = ([done, total, words]) => {
        text.textContent = words;
        if (total === null) input.removeAttribute("value");
        else {
          input.max = total || 1;
          input.value = done;
        }
      };
      return { box: make("div", { class: "rnb-progress" }, input, text), input, set };
    },
  };

  for (const part of model.get("parts")) {
    const control = kinds[part.kind](part);
    if (part.tip) control.input.title = part.tip;
    parts.set(part.name, control);
    el.append(control.box);
  }
  el.append(status);

  const stamps = new Map();
  const setValues = () => {
    const now = model.get("values");
    for (const [name, part] of parts) {
      const [stamp, value] = now[name] ?? [];
      // A value that the kernel has not set since may be newer here.
      if (stamp === undefined || stamps.get(name) === stamp) continue;
      stamps.set(name, stamp);
      part.set(value);
    }
  };
  const options = () => {
    for (const [name, choices] of Object.entries(model.get("options"))) {
      const part = parts.get(name), value = part.get();
      part.fill(choices);
      part.set(value);
    }
  };
  const looks = () => {
    const hidden = new Set(model.get("hidden"));
    for (const [name, part] of parts) {
      const why = model.get("disabled")[name] || "";
      part.box.hidden = hidden.has(name);
      // Not `disabled`: keyboard and screen reader users must be able to learn why.
      part.input.setAttribute("aria-disabled", gone || Boolean(why));
      const spec = model.get("parts").find((each) => each.name === name);
      part.input.title = (gone ? "The kernel has gone" : why) || spec.tip || "";
      if ("readOnly" in part.input) part.input.readOnly = gone || Boolean(why);
      const problem = model.get("errors")[name] || "";
      const place = part.why ?? part.box.querySelector?.(":scope > .rnb-why");
      if (place) place.textContent = problem;
      if (problem) part.input.setAttribute("aria-invalid", "true");
      else part.input.removeAttribute("aria-invalid");
      const caption = model.get("captions")[name];
      if (caption && part.caption) part.caption.textContent = caption;
      const pressed = model.get("pressed")[name];
      if (pressed !== undefined) part.input.setAttribute("aria-pressed", pressed);
    }
  };
  function lost() {
    gone = true;
    tell.end();
    busy.clear();
    looks();
    showBusy();
    status.textContent = "the kernel has gone: run the cell again";
  }
  const done = () => {
    for (const [name, n] of busy) if (n <= model.get("last_n")) busy.delete(name);
    for (const name of again) if (!busy.has(name) && again.delete(name)) act(name);
    showBusy();
  };
  const keys = (event) => {
    // Holding a key down counts as one press.
    if (event.repeat && event.key === "Enter" && event.target.tagName === "BUTTON") event.preventDefault();
    const submit = model.get("submit");
    if (submit && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) act(submit);
    }
  };
  el.addEventListener("keydown", keys);
  const heard = async (message) => {
    if (message.copy !== undefined) {
      status.textContent = (await copy(message.copy)) ? "copied" : "the browser does not allow copying";
    }
  };
  model.on("msg:custom", heard);
  const undo = [
    watch(model, ["values"], setValues),
    watch(model, ["options"], options),
    watch(model, ["hidden", "disabled", "errors", "captions", "pressed"], looks),
    watch(model, ["last_n"], done),
    whenGone(model, lost),
    tell.end,
    () => model.off("msg:custom", heard),
    () => el.removeEventListener("keydown", keys),
    () => clearTimeout(timer),
  ];
  return () => undo.forEach((each) => each());
}

export default { render };
