// A table of any length in which only the visible rows exist as elements. Rows that are not in the
// widget state are requested and delivered by message, so that no state grows with the data.
//
// Places are counted from the top. Where rows are added at the top (`base` counts all rows there
// ever were), a row's number is `base` - 1 - its place, which does not change.
const ROW = 24, SPARE = 12, ATMOST = 500, WIDEST = 40, NARROWEST = 4, MARGIN = 22;
const TYPED = 300, QUIET = 3000;
const STEPS = { ArrowDown: 1, ArrowUp: -1 };

function render({ model, el }) {
  el.classList.add("rnb-table");
  const id = fresh("table");
  const heading = make("tr");
  const body = make("tbody");
  const widths = make("colgroup");
  const table = focusable("table", { id, role: "grid", tabindex: "0", "aria-multiselectable": "true" },
    widths, make("thead", {}, heading), body);
  const scroller = make("div", { class: "rnb-scroll" }, table);
  const name = make("span", { class: "rnb-table-name" });
  const count = make("span", { class: "rnb-note" });
  const filterId = fresh("filter");
  const filter = focusable("input", { type: "search", id: filterId, placeholder: "any text",
    autocomplete: "off", spellcheck: "false" });
  const filterBox = make("span", { class: "rnb-filter" }, make("label", { for: filterId, text: "Filter" }), filter);
  const fresher = focusable("button", { type: "button", class: "rnb-button rnb-new",
    onclick: () => { scroller.scrollTop = 0; table.focus(); } });
  fresher.hidden = true;
  const status = make("span", { class: "rnb-hidden", role: "status" });
  const empty = make("div", { class: "rnb-empty" });
  const caption = make("div", { class: "rnb-note" });
  el.replaceChildren(make("div", { class: "rnb-table-bar" }, name, count, fresher, filterBox, status),
    scroller, empty, caption);

  const tell = teller(model);
  let cache = new Map(); // number -> [revision, row], for rows that are not in the state
  let base = model.get("base"), total = 0, top = base;
  let asking = false, queued = 0, lastSaid = 0, gone = false;
  let active = 0, anchor = 0; // places
  let selected = new Set(model.get("selected")[1]);
  let sort = model.get("sort");
  const chosenWidths = new Map(), content = new Map();

  // -- rows

  const columns = () => model.get("columns");
  const live = () => model.get("live");
  // The number of the row at a place; it does not change while rows are added at the top.
  const number = (place) => (live() ? base - 1 - place : place);
  const place = (number) => (live() ? base - 1 - number : number);
  const row = (at) => model.get("head")[at] ?? cache.get(number(at))?.[1];
  // Rows from before a refresh stay in view until the new page arrives.
  const isStale = (at) => at >= model.get("head").length && !live()
    && cache.get(number(at))?.[0] !== model.get("revision");

  function cells(tr, data) {
    // The text of a row may change; its element stays, and so does selected text in it.
    const [, mark, ...texts] = data;
    tr.className = mark ? `rnb-mark-${mark}` : "";
    while (tr.children.length > texts.length) tr.lastChild.remove();
    texts.forEach((text, i) => {
      const td = tr.children[i] ?? tr.appendChild(make("td"));
      const shown = text ?? "";
      if (td.firstChild?.data !== shown || td.childNodes.length !== 1) td.textContent = shown;
      td.className = columns()[i]?.[1] ? "rnb-number" : "";
      if (shown.length > 20) td.title = shown;
      else td.removeAttribute("title");
    });
  }

  const spacer = (rows) => make("tr", { "aria-hidden": "true", class: "rnb-space", role: "presentation" },
    make("td", { colspan: columns().length || 1, style: `height:${rows * ROW}px`, role: "presentation" }));

  function draw() {
    queued = 0;
    total = model.get("total");
    const isEmpty = !total;
    scroller.hidden = isEmpty;
    empty.hidden = !isEmpty;
    active = Math.max(0, Math.min(active, total - 1));
    const height = Math.max(scroller.clientHeight, 240);
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(total, Math.ceil((scroller.scrollTop + height) / ROW) + SPARE);
    const before = new Map([...body.children].filter((tr) => tr.dataset.key !== undefined)
      .map((tr) => [tr.dataset.key, tr]));
    const rows = [];
    const missing = [];
    if (first) rows.push(spacer(first));
    for (let i = first; i < last; i++) {
      const data = row(i);
      if (!data || isStale(i)) missing.push(i);
      let tr;
      if (data) {
        tr = before.get(data[0]) ?? make("tr", { "data-key": data[0], id: fresh("row") });
        before.delete(data[0]);
        cells(tr, data);
        tr.setAttribute("aria-selected", selected.has(data[0]));
      } else {
        tr = make("tr", { class: "rnb-wait", id: fresh("row") },
          make("td", { colspan: columns().length || 1, text: "…" }));
      }
      tr.dataset.place = i;
      tr.setAttribute("aria-rowindex", i + 2);
      tr.classList.toggle("rnb-active", i === active);
      if (i === active) table.setAttribute("aria-activedescendant", tr.id);
      rows.push(tr);
    }
    if (last < total) rows.push(spacer(total - last));
    const keep = new Set(rows);
    for (const child of [...body.children]) if (!keep.has(child)) child.remove();
    // Elements that stay are not moved, so that selected text and the hover state survive.
    rows.forEach((tr, i) => body.children[i] !== tr && body.insertBefore(tr, body.children[i] ?? null));
    table.setAttribute("aria-rowcount", total + 1);
    showCount();
    if (missing.length) ask(missing[0], missing[missing.length - 1] + 1);
  }

  function ask(start, stop) {
    if (gone || asking) return;
    asking = true;
    tell({ ask: "page", start, stop: Math.min(stop, start + ATMOST), base });
  }

  const soon = () => { queued ||= requestAnimationFrame(draw); };

  function showCount() {
    const all = model.get("all");
    const rows = (n) => `${n.toLocaleString("en")} ${n === 1 ? "row" : "rows"}`;
    count.textContent = total === all ? rows(all) : `${total.toLocaleString("en")} of ${rows(all)}`;
    // The rows added since the top was last in view.
    if (scroller.scrollTop < ROW) top = base;
    const since = live() ? base - top : 0;
    fresher.hidden = !since;
    fresher.textContent = `${since.toLocaleString("en")} new`;
  }

  function changed() {
    const now = model.get("base");
    if (live() && now > base) {
      const by = now - base;
      base = now;
      active += active || scroller.scrollTop >= ROW ? by : 0;
      anchor += by;
      // A user who has scrolled down continues to see the same rows.
      if (scroller.scrollTop >= ROW) {
        draw();
        scroller.scrollTop += by * ROW;
      }
      for (const each of cache.keys()) if (place(each) >= model.get("total")) cache.delete(each);
    } else {
      if (now < base) cache = new Map();
      base = now;
    }
    soon();
    announce();
  }

  function announce() {
    const now = Date.now();
    if (now - lastSaid < QUIET) return;
    const text = `${model.get("label")}: ${model.get("total").toLocaleString("en")} rows`;
    if (status.textContent === text) return;
    lastSaid = now;
    status.textContent = text;
  }

  function heard(message) {
    if (message.page !== undefined) {
      asking = false;
      message.page.forEach((each, i) => {
        const at = message.start + i;
        // Rows may have been added at the top since the request.
        cache.set(live() ? message.base - 1 - at : at, [message.revision, each]);
      });
      soon();
    } else if (message.keys !== undefined) {
      selected = new Set(message.keys);
      choose();
    } else if (message.tsv !== undefined) {
      copy(message.tsv).then((isDone) => {
        lastSaid = Date.now();
        status.textContent = isDone ? `copied ${message.rows} rows` : "the browser does not allow copying";
      });
    }
  }

  // -- columns

  function head() {
    const focused = document.activeElement?.dataset?.column;
    const names = JSON.stringify(columns());
    // Existing headings are kept: one may have the focus, or be in the middle of a click.
    if (heading.dataset.names !== names) heading.replaceChildren(...columns().map(([text, isNumber], i) => {
      const sorter = focusable("button", { type: "button", "data-column": i, text,
        title: `Sort by ${text}; Alt+Left and Alt+Right change the width` });
      sorter.addEventListener("click", () => {
        const [by, ascending] = sort;
        sort = i !== by ? [i, true] : ascending ? [i, false] : [];
        tell({ ask: "sort", sort });
      });
      sorter.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
        if (!step || !event.altKey) return;
        event.preventDefault();
        event.stopPropagation();
        widen(text, width(i) + step);
      });
      const grip = make("span", { class: "rnb-grip", "aria-hidden": "true" });
      grip.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        grip.setPointerCapture(event.pointerId);
        const from = event.clientX - width(i);
        grip.onpointermove = (moved) => widen(text, moved.clientX - from);
        grip.onpointerup = () => { grip.onpointermove = null; };
      });
      return make("th", { scope: "col", class: isNumber ? "rnb-number" : "" }, sorter, grip);
    }));
    const [by, ascending] = sort;
    [...heading.children].forEach((th, i) =>
      th.setAttribute("aria-sort", i !== by ? "none" : ascending ? "ascending" : "descending"));
    const isNew = heading.dataset.names !== names;
    heading.dataset.names = names;
    if (isNew && focused !== undefined) heading.querySelector(`[data-column="${focused}"]`)?.focus();
    measure();
  }

  // Columns are as wide as their content, up to a limit, and never get narrower, so that new rows do
  // not make them jump.
  function measure() {
    columns().forEach(([text], i) => {
      const longest = model.get("head").reduce((n, each) => Math.max(n, (each[i + 2] ?? "").length), text.length + 2);
      content.set(text, Math.min(WIDEST, Math.max(NARROWEST, longest, content.get(text) ?? 0)));
    });
    layout();
  }
  const letter = () => parseFloat(getComputedStyle(table).fontSize) * 0.62 || 8;
  const width = (i) => {
    const [text] = columns()[i];
    return chosenWidths.get(text) ?? Math.round(content.get(text) * letter() + MARGIN);
  };
  function widen(text, pixels) {
    chosenWidths.set(text, Math.max(32, Math.round(pixels)));
    layout();
  }
  function layout() {
    const all = columns().map((_, i) => width(i));
    widths.replaceChildren(...all.map((pixels) => make("col", { style: `width:${pixels}px` })));
    table.style.width = `${all.reduce((a, b) => a + b, 0)}px`;
  }

  // -- selection

  function choose() {
    tell({ ask: "select", keys: [...selected] });
    soon();
  }
  function select(at, { add = false, range = false } = {}) {
    active = at;
    if (range) {
      const [from, to] = [Math.min(anchor, at), Math.max(anchor, at)];
      const keys = [];
      for (let i = from; i <= to; i++) {
        const data = row(i);
        if (!data) {
          // Some of these rows are not loaded.
          tell({ ask: "range", start: from, stop: to + 1, base });
          return;
        }
        keys.push(data[0]);
      }
      selected = new Set(keys);
    } else {
      const key = row(at)?.[0];
      if (key === undefined) return;
      if (add && selected.has(key)) selected.delete(key);
      else selected = add ? new Set([...selected, key]) : new Set([key]);
      anchor = at;
    }
    choose();
  }
  const open = (at) => {
    const key = row(at)?.[0];
    if (key !== undefined) tell({ ask: "open", key });
  };
  function show(at) {
    active = Math.max(0, Math.min(total - 1, at));
    // The heading covers the height of one row.
    const y = active * ROW, shown = scroller.clientHeight - 2 * ROW;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    else if (y > scroller.scrollTop + shown) scroller.scrollTop = y - shown;
    draw();
  }

  body.addEventListener("click", (event) => {
    const tr = event.target.closest("tr[data-place]");
    // A click that ends a text selection selects no row.
    if (!tr || !getSelection().isCollapsed) return;
    select(Number(tr.dataset.place), { add: event.ctrlKey || event.metaKey, range: event.shiftKey });
  });
  body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
  body.addEventListener("dblclick", (event) => {
    const tr = event.target.closest("tr[data-place]");
    if (!tr) return;
    getSelection().removeAllRanges();
    open(Number(tr.dataset.place));
  });
  table.addEventListener("keydown", (event) => {
    if (event.target !== table) return;
    const isCommand = event.ctrlKey || event.metaKey;
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 2);
    const steps = { ...STEPS, PageDown: page, PageUp: -page, Home: -total, End: total };
    if (event.key in steps) {
      show(active + steps[event.key]);
      if (event.shiftKey) select(active, { range: true });
    } else if (event.key === " ") select(active, { add: true, range: event.shiftKey });
    else if (event.key === "Enter") open(active);
    else if (event.key === "Escape" && selected.size) {
      selected = new Set();
      choose();
    } else if (isCommand && event.key === "a") tell({ ask: "range", start: 0, stop: total, base });
    else if (isCommand && event.key === "c" && getSelection().isCollapsed && selected.size) {
      tell({ ask: "tsv" });
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  let typing = 0;
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => tell({ ask: "filter", text: filter.value }), TYPED);
  });
  scroller.addEventListener("scroll", soon, { passive: true });

  const words = () => {
    name.textContent = model.get("label");
    table.setAttribute("aria-label", model.get("label"));
    empty.textContent = model.get("empty");
    caption.textContent = model.get("caption");
    filterBox.hidden = !model.get("filters");
  };
  const observer = new ResizeObserver(soon);
  observer.observe(scroller);
  model.on("msg:custom", heard);
  filter.value = model.get("filter");
  const undo = [
    watch(model, ["label", "empty", "caption", "filters"], words),
    watch(model, ["columns", "sort", "live"], () => {
      sort = model.get("sort");
      cache = new Map();
      head();
    }),
    watch(model, ["selected"], () => {
      selected = new Set(model.get("selected")[1]);
      soon();
    }),
    watch(model, ["revision"], () => {
      measure();
      changed();
    }),
    whenGone(model, () => {
      gone = true;
      tell.end();
    }),
    tell.end,
    () => model.off("msg:custom", heard),
    () => observer.disconnect(),
    () => clearTimeout(typing),
    () => cancelAnimationFrame(queued),
  ];
  return () => undo.forEach((each) => each());
}

export default { render };
