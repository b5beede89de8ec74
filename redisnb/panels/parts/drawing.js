// What all kinds of parts need. The package joins the files of this folder to one module.

const SVG = "http://www.w3.org/2000/svg";

// Create an element. Text goes in through `textContent` alone, so content is never markup.
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

function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// Create an element that takes the keyboard: JupyterLab's shortcuts ("d d" deletes the cell) ignore
// it. The attribute has an effect only on the focused element itself.
const control = (tag, attributes, ...children) =>
  make(tag, { "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);

const button = (attributes, ...children) => control("button", { type: "button", ...attributes }, ...children);

// A name that is unique on the page, for `aria-labelledby` and the like.
let named = 0;
const fresh = () => `rp-${Math.random().toString(36).slice(2)}-${++named}`;

const thousands = (n) => Number(n).toLocaleString("en");

// What does not show, or turns the text around, is written as in Python and JSON.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const seen = (text) => text.replace(UNSEEN, (each) =>
  SHORT[each] ?? (each > "\uffff" ? `\\u{${each.codePointAt(0).toString(16)}}` : `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`));

// Change a text only if it differs: a selection in it survives.
const put = (element, text) => { if (element.textContent !== (text ?? "")) element.textContent = text ?? ""; };

// Put children in place. Those that stay are not moved, which would end a selection or a scroll.
function arrange(place, wanted) {
  const keep = new Set(wanted);
  for (const each of [...place.children]) if (!keep.has(each)) each.remove();
  wanted.forEach((each, i) => place.children[i] !== each && place.insertBefore(each, place.children[i] ?? null));
}

// A name that is cut in the middle where it does not fit: what tells names apart is at their ends.
const TAIL = 8;
function cutName() {
  const head = make("span", { class: "rp-head" }), tail = make("span", { class: "rp-tail" });
  const element = make("span", { class: "rp-name" }, head, tail);
  element.show = (name) => {
    const text = seen(name);
    const at = text.length > 2 * TAIL ? text.length - TAIL : text.length;
    put(head, text.slice(0, at));
    put(tail, text.slice(at));
    element.title = text;
  };
  return element;
}

// A small line of points.
function spark(width, height) {
  const line = draw("polyline", {});
  const element = draw("svg", { viewBox: `0 0 ${width} ${height}`, class: "rp-spark", "aria-hidden": "true" }, line);
  element.show = (points) => {
    const low = Math.min(...points), range = Math.max(...points) - low;
    const y = (each) => (range ? height - 2 - ((each - low) / range) * (height - 4) : height / 2);
    line.setAttribute("points", points.map((each, i) =>
      `${((i * width) / Math.max(1, points.length - 1)).toFixed(1)},${y(each).toFixed(1)}`).join(" "));
  };
  return element;
}

// Put text on the clipboard; a browser may refuse, for instance on a page without https.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyByCommand(text);
  }
}

// The way of before, which works on plain http, and in a frame of Colab that may not use the other.
function copyByCommand(text) {
  let focused = document.activeElement;
  while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
  const field = make("textarea", { style: "position: fixed; opacity: 0", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.focus();
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isDone;
}

// Whether the ground of a panel is dark: that which the host names, else what is behind the element,
// for a host may name no colours and be dark all the same (VS Code names one and paints white behind
// all widgets). The colour may be in any notation, so it is painted.
const GROUNDS = ["--jp-layout-color1", "--vscode-editor-background"];
const pen = make("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
function shadeOf(colour) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [red, green, blue, opaque] = pen.getImageData(0, 0, 1, 1).data;
  return opaque < 128 ? "" : 0.3 * red + 0.6 * green + 0.1 * blue < 128 ? "dark" : "light";
}
function shadeBehind(element) {
  const style = getComputedStyle(element);
  const named = GROUNDS.map((name) => style.getPropertyValue(name).trim()).find(Boolean);
  if (named) return shadeOf(named);
  for (let at = element.parentNode; at; at = at.parentNode ?? at.host) {
    const shade = at instanceof Element ? shadeOf(getComputedStyle(at).backgroundColor) : "";
    if (shade) return shade;
  }
  // Colab says it of the page; other hosts may leave it to the browser's preference.
  return { dark: "dark", light: "light" }[document.documentElement.getAttribute("theme")] ?? "";
}
