// Buttons and fields in a row. What the user does is a message {name, values, n} that carries all
// values, so that none is overtaken; until the kernel has answered it with `last_n` >= n the control
// is busy, and takes no second click.
const SOON = 150; // ms after which it says that it waits: most answers come sooner
const QUEUED = "queued: waits for the kernel";
const TYPED = 300; // ms without a key after which what is typed is sent, where it acts at once

function render({ model, el }) {
  el.classList.add("rnb-controls");
  el.setAttribute("role", "group");
  const parts = new Map(); // name -> { box, input, get, set }
  const busy = new Map(); // name -> n
  const again = new Set(); // what was chosen anew while it was busy
  const said = make("span", { class: "rnb-busy-note", role: "status" });
  const tell = teller(model, lost);
  let sent = model.get("last_n"), gone = false, timer = 0;

  const values = () => Object.fromEntries(
    [...parts].filter(([, part]) => part.get).map(([name, part]) => [name, part.get()]));
  const isOff = (name) => Boolean(model.get("disabled")[name]);

  function act(name) {
    if (gone || isOff(name)) return;
    if (busy.has(name)) {
      // A second press is none; a second choice is the one that counts.
      if (parts.get(name).get) again.add(name);
      return;
    }
    busy.set(name, ++sent);
    tell({ name, values: values(), n: sent });
    showBusy();
  }
  // What was typed is kept in the kernel, and does nothing yet.
  const keep = () => gone || tell({ name: "", values: values(), n: ++sent });

  function showBusy() {
    for (const [name, part] of parts) part.input.setAttribute("aria-busy", busy.has(name));
    clearTimeout(timer);
    if (!busy.size) {
      if (said.textContent === QUEUED) said.textContent = "";
      return;
    }
    timer = setTimeout(() => {
      said.textContent = QUEUED;
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
        // The second click of a double click says so by its `detail`.
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
        // Whoever leaves it for a button elsewhere means what is there.
        input.addEventListener("change", () => typing && typed());
      }
      // Also where it acts: it takes no second act while one is under way.
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
      // One tab stop; the arrows move in it, as in any list of tabs.
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
      // Names and values, a line each; Enter in the last line adds one.
      const list = make("div", { class: "rnb-pairs", role: "group", "aria-label": part.label });
      const why = make("div", { class: "rnb-error rnb-why", role: "alert" });
      const line = (name = "", value = "") => {
        const made = make("div", { class: "rnb-pair" },
          focusable("input", { type: "text", "aria-label": "Field", value: name, onchange: keep,
            spellcheck: "false", autocomplete: "off" }),
          focusable("input", { type: "text", "aria-label": "Value", value, onchange: keep,
            spellcheck: "false", autocomplete: "off" }),
          focusable("button", { type: "button", class: "rnb-button", "aria-label": "Remove field",
            text: "×", onclick: () => remove(made) }));
        made.addEventListener("keydown", (event) => {
          if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
          if (event.target.tagName !== "INPUT") return;
          event.preventDefault();
          const next = made.nextElementSibling ?? add();
          next.querySelector("input").focus();
        });
        return made;
      };
      const add = () => {
        const made = line();
        list.append(made);
        return made;
      };
      const remove = (made) => {
        const near = made.nextElementSibling ?? made.previousElementSibling;
        made.remove();
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
    const made = kinds[part.kind](part);
    if (part.tip) made.input.title = part.tip;
    parts.set(part.name, made);
    el.append(made.box);
  }
  el.append(said);

  const taken = new Map();
  const take = () => {
    const now = model.get("values");
    for (const [name, part] of parts) {
      const [stamp, value] = now[name] ?? [];
      // What the kernel has not set anew may be newer here.
      if (stamp === undefined || taken.get(name) === stamp) continue;
      taken.set(name, stamp);
      part.set(value);
    }
  };
  const options = () => {
    for (const [name, given] of Object.entries(model.get("options"))) {
      const part = parts.get(name), value = part.get();
      part.fill(given);
      part.set(value);
    }
  };
  const looks = () => {
    const hidden = new Set(model.get("hidden"));
    for (const [name, part] of parts) {
      const why = model.get("disabled")[name] || "";
      part.box.hidden = hidden.has(name);
      // Not `disabled`: who comes by the keyboard shall be able to hear why.
      part.input.setAttribute("aria-disabled", gone || Boolean(why));
      const given = model.get("parts").find((each) => each.name === name);
      part.input.title = (gone ? "The kernel has gone" : why) || given.tip || "";
      if ("readOnly" in part.input) part.input.readOnly = gone || Boolean(why);
      const wrong = model.get("errors")[name] || "";
      const place = part.why ?? part.box.querySelector?.(":scope > .rnb-why");
      if (place) place.textContent = wrong;
      if (wrong) part.input.setAttribute("aria-invalid", "true");
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
    said.textContent = "the kernel has gone: run the cell again";
  }
  const done = () => {
    for (const [name, n] of busy) if (n <= model.get("last_n")) busy.delete(name);
    for (const name of again) if (!busy.has(name) && again.delete(name)) act(name);
    showBusy();
  };
  const keys = (event) => {
    // A key that is held down is one press.
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
      said.textContent = (await copy(message.copy)) ? "copied" : "the browser does not let it copy";
    }
  };
  model.on("msg:custom", heard);
  const undo = [
    watch(model, ["values"], take),
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
