// A panel: draws a tree of parts, with a function for each kind. Python sends the tree once and
// patches later; each act of the user goes back as one message, with the values that changed.
const KINDS = {
  box, strip: box, label, message, action, download, input, toggle, menu, listbox, listitem, jsontree, histogram, chart,
  grid, editor, slider,
  choices: oneOf("radio", "aria-checked"), views: oneOf("tab", "aria-selected"),
};
const HOLDERS = new Set(["box", "strip", "listbox", "message"]);
// In milliseconds: when the page says that an act waits, when it repeats one, and how often it asks.
const QUEUED = 400, REPEAT = 2000, BEAT = 5000;
const MOST_NODES = 2000;
// After how many beats without an answer it says so.
const SILENT = 4;

// What the views of one model share: the tree with all patches so far, and the acts that wait. The
// model is another object in `initialize` and in each `render`, and so is its state after a page has
// connected to its kernel again; the id stays.
const shares = new Map();
function shareOf(model) {
  const id = model.get("_id");
  if (!shares.has(id)) shares.set(id, unpacked(model.get("_tree").packed).then((text) => {
    const tree = JSON.parse(text);
    const share = { id: fresh(), n: tree.n, root: null, nodes: new Map(), views: new Set(), acts: [], k: 0, unheard: 0, gone: false };
    share.root = adopt(share, whole(tree));
    return share;
  }));
  return shares.get(id);
}

// The tree as it was before what parts of a kind have in common was left out of each.
function whole({ kinds, root }) {
  const fill = (node) => ({ ...node, props: { ...kinds[node.kind], ...node.props }, children: node.children.map(fill) });
  return fill(root);
}

// A part that was here before is the same node, whose element stays.
const nodeOf = (sent) => ({ ...sent, known: sent.props.value });
function adopt(share, sent) {
  const node = share.nodes.get(sent.id) ?? nodeOf(sent);
  share.nodes.set(node.id, node);
  node.children = sent.children.map((each) => adopt(share, each));
  return node;
}

// The whole tree again: parts that are still there keep their elements, and with them the focus,
// what is typed and not sent yet, and where the user has scrolled to. Notes what is new in which.
function renew(share, sent, changes) {
  const old = share.nodes.get(sent.id);
  const node = old?.kind === sent.kind ? old : nodeOf(sent);
  if (node === old) {
    const before = { ...node.props }, { value, ...rest } = sent.props;
    Object.assign(node.props, rest);
    if ("value" in sent.props) {
      if (node.props.value === node.known) node.props.value = value;
      node.known = value;
    }
    const isNew = ([name, each]) => JSON.stringify(each) !== JSON.stringify(before[name]);
    changes.set(node, Object.fromEntries(Object.entries(node.props).filter(isNew)));
  }
  share.nodes.set(node.id, node);
  node.children = sent.children.map((each) => renew(share, each, changes));
  return node;
}

function patch(share, changes) {
  for (const [id, { children, ...props }] of Object.entries(changes)) {
    const node = share.nodes.get(id);
    if (!node) continue;
    Object.assign(node.props, props);
    if ("value" in props) node.known = props.value;
    if (children) node.children = children.map((each) => adopt(share, each));
    if (children && share.nodes.size > MOST_NODES) prune(share);
    share.views.forEach((view) => view.apply(node, props, Boolean(children)));
  }
}

// Forget the parts that have left: a list that is filled again and again would grow without end.
function prune(share) {
  const kept = new Map();
  const keep = (node) => {
    kept.set(node.id, node);
    node.children.forEach(keep);
  };
  keep(share.root);
  share.nodes = kept;
  for (const { parts } of share.views) {
    for (const [id, part] of parts) {
      if (kept.has(id)) continue;
      part.close?.();
      parts.delete(id);
    }
  }
}

// F6 goes to the next list, row of tabs, text, table or foot, Shift+F6 to the one before: there may
// be many buttons between them.
const STOPS = "[role=listbox], [role=tab][tabindex='0'], [role=grid], .rp-editor textarea, [data-look=drawer] button, [data-look=foot] button";
function hop(body, focused, isBack) {
  const holder = (stop) => stop.closest("[data-look=drawer], [data-look=foot]");
  const seen = [...body.querySelectorAll(STOPS)].filter((each) => each.checkVisibility());
  // Of a drawer and a foot, the first button.
  const stops = seen.filter((each, i) => !holder(each) || !seen[i - 1] || holder(each) !== holder(seen[i - 1]));
  const at = stops.findLastIndex((each) => each === focused || each.compareDocumentPosition(focused) & Node.DOCUMENT_POSITION_FOLLOWING);
  stops.at((at + (isBack ? -1 : 1)) % stops.length)?.focus();
}

// anywidget 0.11 drops all messages to a model that has not started within 2 s: on a busy page it
// would never hear anything. So they come past it.
async function unmute(model) {
  const real = await model.widget_manager?.get_model?.(model.get("_id"));
  const hear = real && Object.getPrototypeOf(real.constructor.prototype)._handle_comm_msg;
  if (hear) real.comm?.on_msg((message) => hear.call(real, message));
}

async function initialize(model) {
  const share = await shareOf(model);
  const state = () => share.views.forEach((view) => view.tell());
  // One act at a time, and again until Python says that it is done: messages do get lost.
  let repeating = 0;
  share.push = (after = REPEAT) => {
    clearTimeout(repeating);
    if (!share.acts.length || share.gone) return;
    repeating = setTimeout(share.push, after, Math.min(2 * after, 30000));
    send(share.acts[0].message);
  };
  const end = () => {
    share.gone = true;
    share.acts.length = 0;
    clearTimeout(repeating);
    clearInterval(beating);
    state();
  };
  const send = (message) => {
    try {
      model.send({ view: share.id, ...message });
    } catch {
      // A notebook that closes takes its kernel before its fields lose the focus.
      end();
    }
  };
  const hear = (message) => {
    share.unheard = 0;
    if (message.all && message.all.n === share.n) {
      // Another page asked.
    } else if (message.all) {
      const changes = new Map();
      share.n = message.all.n;
      share.root = renew(share, whole(message.all), changes);
      prune(share);
      share.views.forEach((view) => view.renew(changes));
    } else if (message.patch) {
      if (message.n === share.n + 1) {
        share.n = message.n;
        const holds = [...share.views].map((view) => view.hold());
        if (message.by !== share.id) patch(share, message.patch);
        holds.forEach((hold) => hold());
      } else if (message.n > share.n) send({ have: share.n, lost: true });
    } else if (message.beat) {
      if (message.n > share.n) send({ have: share.n, lost: true });
    } else if (message.part) {
      share.views.forEach((view) => view.parts.get(message.part)?.hear(message));
    } else if (message.copy !== undefined) {
      // Only on the page on which the user acted.
      if (share.k) copyText(message.copy).then((isDone) => share.views.forEach((view) =>
        view.tell(isDone ? `Copied ${message.what ?? ""}`.trim() : "The browser refuses the clipboard")));
    } else if (message.view === share.id && message.done === share.acts[0]?.message.k) {
      share.acts.shift().pressed?.setAttribute("aria-busy", "false");
      share.push();
    }
    state();
  };
  // A hidden page is asked less often, by the browser itself.
  const beating = setInterval(() => {
    if (!share.views.size) return;
    share.unheard += 1;
    send({ have: share.n });
    state();
  }, BEAT);
  share.leave = () => share.gone || send({ leaves: true });
  model.on("comm_live_update", end);
  // Patches may be lost that were sent before; Python sends all then. Other hosts may not have a
  // manager like Jupyter's.
  unmute(model).catch(() => {}).then(() => send({ have: share.n }));
  const close = () => {
    end();
    shares.delete(model.get("_id"));
  };
  return { hear, close };
}

async function render({ model, el }) {
  const share = await shareOf(model);
  const bar = make("div", { class: "rp-bar", role: "status" });
  const body = make("div", { class: "rp-body" });
  let said = 0;
  const view = {
    parts: new Map(),
    focused: () => el.getRootNode().activeElement,
    // Keep what the user changed, and show it in the other views.
    keep(node, value, name = "value") {
      node.props[name] = value;
      share.views.forEach((each) => each !== view && each.apply(node, { [name]: value }, false));
    },
    choose(node, value) {
      view.keep(node, value);
      view.apply(node, { value }, false);
      view.act(node, "choose");
    },
    act(node, act, more = {}, pressed = null) {
      if (share.gone) return;
      const values = {};
      for (const each of share.nodes.values()) {
        if (each.props.value === each.known) continue;
        values[each.id] = each.known = each.props.value;
      }
      pressed?.setAttribute("aria-busy", "true");
      share.acts.push({ message: { id: node.id, act, k: ++share.k, values, ...more }, pressed, at: performance.now() });
      if (share.acts.length === 1) share.push();
      setTimeout(() => view.tell(), QUEUED);
    },
    // The state of the panel, in one place and in words.
    tell(note = "") {
      const waits = share.acts.length && performance.now() - share.acts[0].at >= QUEUED - 20;
      const text = share.gone ? "The kernel has gone: what is shown is of before. Run the cell again."
        : share.unheard >= SILENT ? "The kernel does not answer: it is busy, or it has gone."
          : waits ? "Queued: the kernel is busy" : note;
      clearTimeout(said);
      if (text === note && !note && bar.dataset.note) return;
      put(bar, text);
      bar.dataset.tone = share.gone ? "bad" : "";
      if (note && text === note) {
        bar.dataset.note = "true";
        said = setTimeout(() => { delete bar.dataset.note; view.tell(); }, 2000);
      } else delete bar.dataset.note;
      el.classList.toggle("rp-gone", share.gone);
    },
    build(node) {
      const part = KINDS[node.kind](view, node);
      part.el.classList.add(`rp-${node.kind}`);
      part.el.dataset.part = node.id;
      view.parts.set(node.id, part);
      view.apply(node, node.props, true);
      return part.el;
    },
    apply(node, props, isFilled) {
      const part = view.parts.get(node.id);
      if (!part) return;
      for (const name of ["look", "tone"]) if (props[name] !== undefined) part.el.dataset[name] = props[name];
      if (props.hidden !== undefined) view.hide(part, node, props.hidden);
      part.update?.(props);
      if (!isFilled || !HOLDERS.has(node.kind)) return;
      arrange(part.place ?? part.el, node.children.map((each) => view.parts.get(each.id)?.el ?? view.build(each)));
    },
    // What goes away passes the focus on to what is next; else no key would reach the panel.
    hold() {
      const focused = view.focused();
      if (!el.contains(focused)) return () => {};
      const stops = [...body.querySelectorAll("button, input, select, textarea, summary, [tabindex='0']")];
      const at = Math.max(0, stops.indexOf(focused)), seen = (each) => each.isConnected && each.checkVisibility();
      return () => {
        const now = view.focused();
        if (el.contains(now) && (now !== focused || seen(now))) return;
        (stops.slice(at).find(seen) ?? stops.slice(0, at).findLast(seen))?.focus();
      };
    },
    // A form that opens takes the focus, if the user is in this view; what closes gives it back.
    hide(part, node, isHidden) {
      const { el: shown } = part, focused = view.focused();
      const isOpened = shown.hidden && !isHidden && el.contains(focused);
      const isLeft = !shown.hidden && isHidden && shown.contains(focused);
      shown.hidden = isHidden;
      if (isOpened) part.opener = focused;
      if (isOpened && node.props.look === "form") shown.querySelector("input, button")?.focus();
      if (isLeft) part.opener?.focus();
    },
    renew(changes) {
      if (!body.contains(view.parts.get(share.root.id)?.el)) return view.start();
      const apply = (node) => {
        view.apply(node, changes.get(node) ?? node.props, true);
        view.parts.get(node.id)?.again?.();
        node.children.forEach(apply);
      };
      apply(share.root);
    },
    start() {
      view.parts.forEach((part) => part.close?.());
      view.parts.clear();
      body.replaceChildren(view.build(share.root));
      view.tell();
    },
  };
  // Escape closes the form in which it is pressed, or the drawer beside.
  const leave = (from) => {
    const form = from.closest("[data-look='form']"), { opener } = (form && view.parts.get(form.dataset.part)) || {};
    if (opener?.ariaExpanded === "true") return opener.click();
    const drawers = from.closest("[data-look='split']")?.querySelectorAll(":scope > :is([data-look='drawer'], [data-look='half'])");
    const close = [...drawers ?? []].find((each) => !each.hidden)?.firstElementChild.lastElementChild;
    if (close?.matches("button")) close.click();
  };
  // Plain keys, and what the panel acts on, are for it alone: hosts other than JupyterLab have
  // shortcuts too, and VS Code is told of every key that comes as far as its window.
  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) leave(event.target);
    // To what finds in a list, and from there into the list.
    const finds = "[data-look='side'] > .rp-input > input";
    const next = event.key === "/" && !event.target.matches("input, textarea, select") ? finds
      : event.key === "ArrowDown" && event.target.matches(finds) ? "[data-look='side'] > .rp-listbox" : null;
    if (next && el.querySelector(next)) {
      el.querySelector(next).focus();
      event.preventDefault();
    }
    if (event.key === "F6") {
      hop(body, view.focused(), event.shiftKey);
      event.preventDefault();
    }
    if (event.defaultPrevented || (!event.ctrlKey && !event.metaKey && !event.altKey)) event.stopPropagation();
  });
  const shade = () => { el.dataset.shade = shadeBehind(el); };
  const observer = new MutationObserver(() => setTimeout(shade, 100));
  for (const each of [document.documentElement, document.body]) observer.observe(each, { attributes: true });
  el.classList.add("rp-panel");
  // What a saved notebook shows instead is not shown beside it.
  const saved = model.get("_saved");
  const style = `.${saved} { display: none } .jp-Notebook:not(:has(.rp-panel)) .${saved} { display: block }`;
  el.replaceChildren(make("style", { text: STYLE + (saved ? style : "") }), bar, body);
  share.views.add(view);
  view.start();
  requestAnimationFrame(shade);
  return () => {
    share.views.delete(view);
    if (!share.views.size) share.leave?.();
    observer.disconnect();
    clearTimeout(said);
    view.parts.forEach((part) => part.close?.());
  };
}

// What unpacks is in the module that has unpacked this one.
let unpacked;
export default (by) => {
  unpacked = by;
  return { initialize, render };
};
