// What every part needs. The package joins this file and that of the part to one module.

// Make an element. Text goes in by `textContent`, so content is never markup.
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

// Make an element that takes the keyboard: JupyterLab's shortcuts ("d d" deletes the cell) do not
// act on it. The attribute works on the focused element itself alone.
function focusable(tag, attributes = {}, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

// Call `then` at each change of these traits and once now; give what undoes it.
function watch(model, names, then) {
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, then);
  then();
  return () => events.forEach((event) => model.off(event, then));
}

// Call `then` when the kernel has gone: nothing that is shown changes any more.
function whenGone(model, then) {
  model.on("comm_live_update", then);
  return () => model.off("comm_live_update", then);
}

// Give a function that tells the kernel something: one message after the other, and each again
// until the kernel says that it came. Between a page and its kernel messages do get lost, as where
// JupyterLab sends them to a subshell that has gone. `lost` is called where there is no kernel.
function teller(model, lost = () => {}) {
  const from = fresh("view"), waiting = [];
  let n = 0, timer = 0;
  const send = (after = 1000) => {
    clearTimeout(timer);
    if (!waiting.length) return;
    timer = setTimeout(send, after, Math.min(2 * after, 30000));
    try {
      model.send(waiting[0]);
    } catch {
      // A notebook that closes takes the focus from a field, and its kernel has gone by then.
      end();
      lost();
    }
  };
  const heard = ({ ack }) => {
    if (!ack || ack[0] !== from || ack[1] !== waiting[0]?.n) return;
    waiting.shift();
    send();
  };
  function end() {
    waiting.length = 0;
    clearTimeout(timer);
    model.off("msg:custom", heard);
  }
  model.on("msg:custom", heard);
  const tell = (content) => {
    waiting.push({ from, n: ++n, content });
    if (waiting.length === 1) send();
  };
  return Object.assign(tell, { end });
}

// A name for `aria-labelledby` and the like, unique on the page.
let named = 0;
const fresh = (what) => `rnb-${what}-${Math.random().toString(36).slice(2)}-${++named}`;

// Put text on the clipboard. A browser may refuse, on a page without https for one.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
