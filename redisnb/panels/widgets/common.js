// Code that every part needs. The package joins this file and the part's own to one module.

// Create an element. Text is set through `textContent`, so content is never markup.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Create an element that receives key presses itself: JupyterLab's shortcuts ("d d" deletes the
// cell) ignore it. The attribute has an effect only on the focused element itself.
function focusable(tag, attributes = {}, ...children) {
  return make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

// Call `then` now and on each change of these traits; return a function that undoes it.
function watch(model, names, then) {
  const events = names.map((name) => `change:${name}`);
  for (const event of events) model.on(event, then);
  then();
  return () => events.forEach((event) => model.off(event, then));
}

// Call `then` when the kernel is gone, after which nothing on display changes.
function whenGone(model, then) {
  model.on("comm_live_update", then);
  return () => model.off("comm_live_update", then);
}

// Return a function that sends messages to the kernel, one at a time, each repeated until the
// kernel acknowledges it. Messages between a page and its kernel do get lost, for instance when
// JupyterLab sends them to a subshell that is gone. `lost` is called if there is no kernel.
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
      // When a notebook closes, a field loses the focus, and the kernel is already gone.
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

// A name that is unique on the page, for `aria-labelledby` and similar attributes.
let named = 0;
const fresh = (what) => `rnb-${what}-${Math.random().toString(36).slice(2)}-${++named}`;

// Put text on the clipboard. A browser may refuse, for instance on a page without https.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
