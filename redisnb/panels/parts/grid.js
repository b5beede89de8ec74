// A table of any length: only the rows in view are made, and those that are not here are asked for,
// so that no state grows with the data.
const ROW = 24, SPARE = 15, ATMOST = 400, KEPT = 5000, WIDEST = 36, NARROWEST = 40, MARGIN = 22, TELL = 200;
// With more columns a field finds some.
const FEW_COLUMNS = 15;

function grid(view, node) {
  const heading = make("tr"), widths = make("colgroup"), body = make("tbody");
  const table = control("table", { role: "grid", tabindex: 0, "aria-label": node.props.label, "aria-multiselectable": "true" },
    widths, make("thead", {}, heading), body);
  const scroller = make("div", { class: "rp-scroll" }, table);
  const bar = gridBar(view, node, () => {
    scroller.scrollTop = active = anchor = 0;
    act("newest");
  });
  const empty = make("div", { class: "rp-none" });
  const el = make("div", {}, bar.el, scroller, empty);
  const given = new Map(); // by name, the width that the user gave a column, in pixels
  let pages = new Map(), revision = -1, asking = false, queued = 0, active = 0, anchor = 0, wasTop = true;
  const soon = () => { queued ||= requestAnimationFrame(draw); };
  const row = (at) => node.props.head[at] ?? pages.get(at)?.texts;
  const tone = (at) => node.props.tones?.[at] ?? pages.get(at)?.tone ?? "";
  // Rows that come at the top push the others down: each is known by when it came.
  const number = (at) => (node.props.count ?? 0) - at;
  // What came since then, Python adds; of rows that are no longer shown it knows which they were.
  const act = (name, more) => view.act(node, name, { count: node.props.count, of: revision, ...more });
  const isStale = (at) => at >= node.props.head.length && pages.get(at)?.revision !== revision;
  const isSelected = (at) => node.props.selected.some(([from, to]) => from <= at && at < to);

  // -- columns

  const width = ({ name }, i) => {
    if (given.has(name)) return `${given.get(name)}px`;
    const { columns, head } = node.props;
    const longest = head.reduce((n, each) => Math.max(n, each[i]?.length ?? 0), Math.max(name.length + 2, 0.88 * columns[i].note.length + 0.45 * columns[i].bars.length));
    return `calc(${Math.ceil(Math.min(WIDEST, longest))}ch + ${MARGIN}px)`;
  };
  function head() {
    const { columns, sort } = node.props;
    const old = new Map([...heading.children].map((th) => [th.dataset.name, th]));
    arrange(heading, columns.map((column) => old.get(column.name) ?? headCell(column.name)));
    const all = columns.map(width), rest = restColumn(columns);
    [...heading.children].forEach((th, i) => {
      const { note, bars, number, frozen } = columns[i];
      put(th.querySelector("small > span"), note || "\u00a0");
      th.querySelector("svg").show(bars);
      th.classList.toggle("rp-number", number);
      th.ariaSort = node.props.live ? null : sort?.[0] !== th.dataset.name ? "none" : sort[1] ? "ascending" : "descending";
      freeze(th, i, all, frozen);
    });
    if (!heading.querySelector(".rp-press[tabindex='0']")) reach(heading.querySelector(".rp-press"));
    // As wide as what is in it; one column takes the rest, so that the table fills its frame.
    widths.replaceChildren(...all.map((each, i) => make("col", { style: i === rest ? "" : `width:${each}` })));
    table.style.minWidth = all.length ? `calc(${all.map((each) => each.replace("calc", "")).join(" + ")})` : "";
  }
  const restColumn = (columns) => {
    const at = columns.findLastIndex(({ number, frozen, name }) => !number && !frozen && !given.has(name));
    return at < 0 && !given.has(columns.at(-1)?.name) ? columns.length - 1 : at;
  };
  const freeze = (cell, i, all, isFrozen) => {
    cell.classList.toggle("rp-frozen", isFrozen);
    cell.style.left = isFrozen ? `calc(${["0px", ...all.slice(0, i)].map((each) => each.replace("calc", "")).join(" + ")})` : "";
  };
  function headCell(name) {
    const handle = make("span", { class: "rp-handle", "aria-hidden": "true" });
    const written = cutName();
    written.show(name);
    const inside = [written, make("small", {}, shape(), make("span"))];
    const keys = "Alt+\u2190 and Alt+\u2192 change the width";
    const press = node.props.live
      ? control("div", { class: "rp-press", title: `${seen(name)}\n${keys}` }, ...inside)
      : button({ class: "rp-press", title: `${seen(name)}\nEnter sorts, ${keys}`, onclick: () => sortBy(name) }, ...inside);
    press.setAttribute("aria-keyshortcuts", "Alt+ArrowLeft Alt+ArrowRight");
    const th = make("th", { scope: "col", "data-name": name, "aria-label": seen(name) }, press, handle);
    press.addEventListener("focus", () => reach(press));
    press.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      if (event.altKey) resize(name, th.offsetWidth + 16 * step);
      else (step < 0 ? th.previousSibling : th.nextSibling)?.querySelector(".rp-press").focus();
      event.preventDefault();
      event.stopPropagation();
    });
    handle.addEventListener("pointerdown", (down) => {
      const from = th.offsetWidth;
      handle.setPointerCapture(down.pointerId);
      handle.onpointermove = (event) => resize(name, from + event.clientX - down.clientX);
      handle.onpointerup = handle.onpointercancel = () => { handle.onpointermove = handle.onpointerup = null; };
      down.preventDefault();
    });
    handle.addEventListener("dblclick", () => {
      given.delete(name);
      changed();
    });
    return th;
  }
  // Tab reaches one of the names; the arrow keys go to the others.
  const reach = (one) => [...heading.querySelectorAll(".rp-press")].forEach((each) => { each.tabIndex = each === one ? 0 : -1; });
  const sortBy = (name) => {
    const [by, up] = node.props.sort ?? [];
    // At once, so that a second click turns the order around however busy the kernel is.
    view.keep(node, [name, by !== name || !up], "sort");
    head();
    view.act(node, "sort", { column: name, ascending: node.props.sort[1] });
  };
  const resize = (name, pixels) => {
    given.set(name, Math.max(NARROWEST, Math.round(pixels)));
    changed();
  };
  const changed = () => {
    head();
    soon();
  };

  // -- rows

  function rowOf(i, old, columns, all) {
    const texts = row(i);
    const tr = old ?? make("tr", { id: fresh() });
    tr.dataset.at = i;
    tr.dataset.tone = tone(i);
    tr.number = number(i);
    tr.setAttribute("aria-rowindex", i + 2);
    // The elements stay, and with them a selection of text.
    while (tr.children.length > columns.length) tr.lastChild.remove();
    columns.forEach(({ number, frozen }, j) => {
      const td = tr.children[j] ?? tr.appendChild(make("td", { role: "gridcell" }));
      const text = texts ? texts[j] : "…";
      put(td, text ?? "");
      td.className = `${number ? "rp-number" : ""} ${text === null ? "rp-missing" : ""}`;
      td.title = text && text.length > 20 ? text : "";
      freeze(td, j, all, frozen);
    });
    tr.ariaSelected = String(isSelected(i) || i === node.props.chosen);
    tr.className = i === active ? "rp-active" : "";
    if (i === active) table.setAttribute("aria-activedescendant", tr.id);
    return tr;
  }
  const space = (rows) => make("tr", { role: "presentation", class: "rp-space" },
    make("td", { role: "presentation", colspan: node.props.columns.length || 1, style: `height:${rows * ROW}px` }));

  function draw() {
    queued = 0;
    const { total, columns } = node.props;
    scroller.hidden = !total;
    empty.hidden = Boolean(total);
    active = Math.max(0, Math.min(active, total - 1));
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(total, Math.ceil((scroller.scrollTop + Math.max(scroller.clientHeight, 240)) / ROW) + SPARE);
    const old = new Map([...body.children].filter((tr) => tr.dataset.at).map((tr) => [tr.number, tr]));
    const all = columns.map(width);
    const rows = [], missing = [];
    for (let i = first; i < last; i++) {
      if (isStale(i)) missing.push(i);
      rows.push(rowOf(i, old.get(number(i)), columns, all));
    }
    arrange(body, [...(first ? [space(first)] : []), ...rows, ...(last < total ? [space(total - last)] : [])]);
    // The row of the keyboard may be out of view.
    if (active < first || active >= last) table.removeAttribute("aria-activedescendant");
    table.setAttribute("aria-rowcount", total + 1);
    table.setAttribute("aria-colcount", columns.length);
    bar.update();
    bar.el.hidden = !total && !node.props.filter;
    if (node.props.live) tell(first, last);
    if (missing.length && !asking) {
      asking = true;
      act("page", { start: missing[0], stop: Math.min(missing.at(-1) + 1, missing[0] + ATMOST) });
    }
  }

  // Which rows are in view, once they stay there.
  let told = "", telling = 0;
  const tell = (...range) => {
    if (told === String(range)) return;
    told = String(range);
    clearTimeout(telling);
    telling = setTimeout(act, TELL, "view", { range });
  };

  // -- what the user does

  const choose = (at) => {
    if (!row(at)) return;
    view.keep(node, at, "chosen");
    act("choose", { row: at });
    soon();
  };
  const select = (ranges) => {
    view.keep(node, ranges, "selected");
    act("select", { ranges });
    soon();
  };
  const span = (at) => [[Math.min(anchor, at), Math.max(anchor, at) + 1]];
  const flip = (at) => {
    const { selected } = node.props;
    if (!isSelected(at)) return [...selected, [at, at + 1]];
    return selected.flatMap(([from, to]) =>
      (from <= at && at < to ? [[from, at], [at + 1, to]].filter(([a, b]) => a < b) : [[from, to]]));
  };
  const go = (at) => {
    if (node.props.live && !node.props.held && at > 0) act("hold");
    active = Math.max(0, Math.min(node.props.total - 1, at));
    const y = active * ROW, shown = scroller.clientHeight - heading.offsetHeight - ROW;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    else if (y > scroller.scrollTop + shown) scroller.scrollTop = y - shown;
    draw();
  };
  body.addEventListener("click", (event) => {
    const tr = event.target.closest("tr[data-at]");
    if (!tr) return;
    const at = Number(tr.dataset.at), isCommand = event.ctrlKey || event.metaKey;
    // A click that ends a selection of text is none.
    if (!event.shiftKey && !document.getSelection().isCollapsed) return;
    go(at);
    if (event.shiftKey) return select(span(at));
    anchor = at;
    if (isCommand) return select(flip(at));
    if (node.props.selected.length) select([]);
    choose(at);
  });
  body.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault());
  table.addEventListener("keydown", (event) => {
    if (event.target !== table) return;
    const isCommand = event.ctrlKey || event.metaKey, { total, selected } = node.props;
    const page = Math.max(1, Math.floor(scroller.clientHeight / ROW) - 3);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -total, End: total }[event.key];
    if (step !== undefined) {
      if (!event.shiftKey) anchor = Math.max(0, Math.min(total - 1, active + step));
      go(active + step);
      if (event.shiftKey) select(span(active));
    } else if (event.key === "Enter") choose(active);
    else if (event.key === " ") {
      anchor = active;
      select(flip(active));
    } else if (event.key === "Escape" && selected.length) select([]);
    else if (isCommand && event.key === "a") select([[0, total]]);
    else if (isCommand && event.key === "c" && document.getSelection().isCollapsed) view.act(node, "copy", { format: "tsv" });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  scroller.addEventListener("scroll", () => {
    soon();
    const isTop = scroller.scrollTop < ROW;
    if (isTop !== wasTop) act("scroll", { top: (wasTop = isTop) });
  }, { passive: true });
  const observer = new ResizeObserver(soon);
  observer.observe(scroller);

  const update = (props) => {
    if (props.revision !== undefined) {
      revision = props.revision;
      asking = false;
    }
    put(empty, node.props.empty);
    if (props.columns || props.sort !== undefined || props.head) head();
    if (props.sort !== undefined || props.filter !== undefined) scroller.scrollTop = active = anchor = 0;
    soon();
  };
  const hear = ({ start, rows, tones, of }) => {
    asking = false;
    if (of === revision) {
      if (pages.size > KEPT) pages = new Map();
      rows.forEach((texts, i) => pages.set(start + i, { texts, tone: tones?.[i], revision: of }));
    }
    soon();
  };
  // What was asked for may be lost.
  const again = () => {
    asking = false;
    soon();
  };
  return { el, update, hear, again, close: () => { observer.disconnect(); bar.close(); clearTimeout(telling); cancelAnimationFrame(queued); } };
}

// The shape of a column: bars of heights from 0 to 9.
const BAR = 3, HIGHEST = 10;
function shape() {
  const path = draw("path", {}), el = draw("svg", { height: HIGHEST, "aria-hidden": "true" }, path);
  el.show = (bars) => {
    el.setAttribute("width", bars.length * BAR);
    el.setAttribute("class", bars.length ? "rp-shape" : "");
    path.setAttribute("d", bars.map((n, i) => `M${i * BAR} ${HIGHEST}v${-1 - n}h${BAR - 1}v${1 + n}z`).join(""));
  };
  return el;
}

// What stands above a table: a filter, how many rows, which columns, and what copies them.
function gridBar(view, node, toNewest) {
  const id = fresh();
  const field = control("input", { id, type: "search", placeholder: "any text", autocomplete: "off", spellcheck: "false" });
  const filter = make("span", { class: "rp-filter" }, make("label", { for: id, class: "rp-soft", text: "Filter" }), field);
  const newest = button({ class: "rp-button rp-news", onclick: toNewest });
  const count = make("span", { class: "rp-soft", role: node.props.live ? null : "status" }), why = make("span", { class: "rp-why", role: "alert" });
  const summary = control("summary", { class: "rp-button" }), list = make("div", { role: "group", "aria-label": "Columns" });
  const sought = control("input", { type: "search", placeholder: "Find a column", "aria-label": "Find a column", autocomplete: "off", spellcheck: "false" });
  const picker = make("details", { class: "rp-picker" }, summary, make("div", {}, sought, list));
  const find = () => [...list.children].forEach((each) => {
    each.hidden = !each.dataset.name.toLowerCase().includes(sought.value.toLowerCase());
  });
  sought.addEventListener("input", find);
  const copies = ["tsv", "json"].map((format) => button({ class: "rp-button",
    text: `Copy ${format.toUpperCase()}`, title: "The selected rows, else all, with the columns shown",
    onclick: () => view.act(node, "copy", { format }) }));
  const el = make("div", { class: "rp-gridbar" }, filter, count, newest, why, make("span", { class: "rp-grow" }), picker, ...copies);
  let typing = 0, written = "";
  field.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => view.act(node, "filter", { text: field.value }), 120);
  });
  picker.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    picker.open = false;
    summary.focus();
  });
  picker.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !picker.contains(event.relatedTarget)) picker.open = false;
  });
  const pick = () => view.act(node, "columns", {
    left: [...list.querySelectorAll("[data-what=show]")].filter((each) => !each.checked).map((each) => each.name),
    frozen: [...list.querySelectorAll("[data-what=freeze]")].filter((each) => each.checked).map((each) => each.name),
  });
  const line = ([name, isShown, isFrozen]) => {
    const box = (what, isChecked, label) => control("input", { type: "checkbox", name, "data-what": what,
      "aria-label": `${label} ${seen(name)}`, checked: isChecked, onchange: pick });
    return make("div", { class: "rp-pick", "data-name": name }, make("label", {}, box("show", isShown, "Show"), make("span", { text: seen(name) })),
      make("label", { class: "rp-soft" }, box("freeze", isFrozen, "Freeze"), "freeze"));
  };
  const update = () => {
    const { total, all, names, error, filter: text, filters } = node.props;
    const rows = `${thousands(all)} ${all === 1 ? "row" : "rows"}`, { selected } = node.props;
    const n = selected.reduce((sum, [from, to]) => sum + to - from, 0);
    const found = node.props.matched ?? total;
    put(count, [found === all ? rows : `${thousands(found)} of ${rows}`, found > total && `the first ${thousands(total)} shown`,
      n && `${thousands(n)} selected`].filter(Boolean).join(", "));
    put(why, seen(error));
    newest.hidden = !node.props.news;
    put(newest, `${thousands(node.props.news ?? 0)} new`);
    filter.hidden = !filters;
    if (view.focused() !== field) field.value = text;
    put(summary, `Columns ${names.filter((each) => each[1]).length} of ${names.length}`);
    if (JSON.stringify(names) === written) return;
    const focused = view.focused();
    const at = list.contains(focused) ? [focused.name, focused.dataset.what] : null;
    written = JSON.stringify(names);
    list.replaceChildren(...names.map(line));
    sought.hidden = names.length <= FEW_COLUMNS;
    find();
    if (at) [...list.querySelectorAll("input")].find((each) => each.name === at[0] && each.dataset.what === at[1])?.focus();
  };
  return { el, update, close: () => clearTimeout(typing) };
}
