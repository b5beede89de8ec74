// What a histogram and a chart share: a plot with numbers at its left and times below, and a tip.
const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const STEPS = [1, 10, 100, ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND), ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 3, 7, 14, 30, 91, 365, 3650].map((n) => n * DAY)];

// A time in UTC, as precise as the step between such times asks for.
function moment(ms, step) {
  const text = new Date(ms).toISOString().replace("T", " ");
  return text.slice(0, step >= DAY ? 10 : step >= MINUTE ? 16 : step >= SECOND ? 19 : 23);
}
// How precise times have to be, so that none is cut.
const fineness = (times) => [DAY, MINUTE, SECOND].find((unit) => times.every((each) => each % unit === 0)) ?? 1;

// From one time to another; the day is not said twice. Times that are texts stay as they are.
function span(from, to, step) {
  const [first, last] = [from, to].map((each) => (typeof each === "number" ? moment(each, step) : each));
  return `${first} to ${first.slice(0, 11) === last.slice(0, 11) && last.length > 11 ? last.slice(11) : last}`;
}

// The highest value of a scale that begins at 0, and its round steps.
function scale(most, isWhole) {
  const rough = (most || 1) / 4, unit = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].find((n) => n * unit >= rough) * unit;
  if (isWhole) step = Math.max(1, step);
  const top = Math.max(most, step) * 1.04;
  return { top, steps: Array.from({ length: Math.floor(top / step) + 1 }, (_, i) => i * step) };
}
const brief = (n) => (n < 10000 ? Number(n).toLocaleString("en", { maximumSignificantDigits: 4 })
  : n.toLocaleString("en", { notation: "compact", maximumFractionDigits: 1 }).replace(/([A-Z])$/, " $1"));

const place = (at) => `${(100 * at).toFixed(2)}%`;

function axes(attributes, ...inside) {
  const rules = draw("path", { class: "rp-rules" }), steps = make("div", { class: "rp-steps", "aria-hidden": "true" });
  const picture = draw("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, rules);
  const below = make("div", { class: "rp-axis", "aria-hidden": "true" }), tip = make("div", { class: "rp-tip", hidden: true });
  const plot = make("div", { class: "rp-plot", ...attributes }, picture, steps, ...inside, tip);
  // Numbers at the left, and the lines that belong to them.
  const values = ({ top, steps: at }, width) => {
    picture.setAttribute("viewBox", `0 0 ${width} 100`);
    rules.setAttribute("d", at.slice(1).map((n) => `M0 ${(100 - (100 * n) / top).toFixed(2)}H${width}`).join(""));
    steps.replaceChildren(...at.map((n) => make("span", { text: brief(n), style: `top:${place(1 - n / top)}` })));
  };
  const texts = (all) => below.replaceChildren(...all.map(([at, text]) => make("span", { text, style: `left:${place(at)}` })));
  // Round times below, as many as fit; the day where it is another one.
  let range = null;
  const times = (from, to) => {
    range = [from, to];
    const most = Math.max(2, Math.min(10, Math.floor(plot.clientWidth / 95) || 5));
    const step = STEPS.find((each) => (to - from) / each <= most) ?? STEPS.at(-1);
    let day = "";
    const found = [];
    for (let at = Math.ceil(from / step) * step; at <= to && to > from; at += step) {
      const x = (at - from) / (to - from), text = moment(at, step);
      if (x < 0.03 || x > 0.97) continue;
      found.push([x, step >= DAY ? text : text.slice(0, 10) === day ? text.slice(11) : text.slice(5)]);
      day = text.slice(0, 10);
    }
    texts(found);
  };
  const tell = (at, text) => {
    tip.hidden = !text;
    put(tip, text);
    tip.style.left = place(at);
    tip.classList.toggle("rp-left", at > 0.5);
  };
  // A plot that is hidden, or was as wide as another page, gets others.
  const observer = new ResizeObserver(() => range && times(...range));
  observer.observe(plot);
  return { plot, below, picture, values, times, texts, tell, close: () => observer.disconnect() };
}
