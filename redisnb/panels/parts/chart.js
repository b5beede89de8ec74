// Lines over time. The pointer, or the arrow keys, bring the values of a moment.

function chart(view, node) {
  const cursor = make("div", { class: "rp-cursor", hidden: true });
  const slider = control("div", { role: "slider", tabindex: 0, class: "rp-moment", "aria-label": `Moment of ${node.props.label}`, "aria-valuemin": 0 });
  const { plot, below, picture, values, times, tell, close } = axes({}, slider, cursor);
  const legend = make("div", { class: "rp-legend" });
  const title = make("div", { class: "rp-legendbar" }, make("span", { class: "rp-soft", text: node.props.label }), legend);
  const el = make("div", { role: "group", "aria-label": node.props.label }, title, plot, below);
  const paths = new Map();
  // Where the pointer is, or else the keyboard: null for the newest.
  let at = null;
  const n = () => node.props.times.length;
  const x = (i) => {
    const all = node.props.times, from = all[0], to = all.at(-1);
    return to > from ? (all[i] - from) / (to - from) : 1;
  };
  const words = (i) => {
    const { times: all, lines, unit } = node.props;
    const said = lines.map(([name, numbers]) => `${lines.length > 1 ? `${name} ` : ""}${numbers[i] === null ? "unknown" : brief(numbers[i])}`);
    return `${moment(all[i], fineness(all)).slice(11)}: ${said.join(", ")} ${unit}`;
  };
  const show = () => {
    const i = Math.min(at ?? n() - 1, n() - 1);
    cursor.hidden = at === null || i < 0;
    tell(i < 0 ? 0 : x(i), cursor.hidden ? "" : words(i));
    cursor.style.left = place(i < 0 ? 0 : x(i));
    slider.setAttribute("aria-valuemax", Math.max(0, n() - 1));
    slider.setAttribute("aria-valuenow", Math.max(0, i));
    slider.setAttribute("aria-valuetext", i < 0 ? "no values yet" : words(i));
  };
  const go = (i) => {
    at = i;
    show();
  };
  plot.addEventListener("pointermove", (event) => {
    if (!n()) return;
    const { left, width } = plot.getBoundingClientRect(), sought = (event.clientX - left) / width;
    let best = 0;
    for (let i = 1; i < n(); i++) if (Math.abs(x(i) - sought) < Math.abs(x(best) - sought)) best = i;
    go(best);
  });
  plot.addEventListener("pointerleave", () => go(null));
  slider.addEventListener("blur", () => go(null));
  slider.addEventListener("focus", () => n() && go(n() - 1));
  slider.addEventListener("keydown", (event) => {
    const from = at ?? n() - 1;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageDown: from - 10, PageUp: from + 10, Home: 0, End: n() - 1 }[event.key];
    if (to === undefined || !n()) return;
    go(Math.max(0, Math.min(n() - 1, to)));
    event.preventDefault();
  });
  const update = ({ lines, times: all }) => {
    if (!lines && !all) return;
    const { lines: every, unit } = node.props;
    const numbers = every.flatMap(([, each]) => each.filter((value) => value !== null));
    const measure = scale(numbers.reduce((most, each) => Math.max(most, each), 0), false);
    values(measure, 1000);
    if (n()) times(node.props.times[0], node.props.times.at(-1));
    const drawn = every.map(([name, each], k) => {
      const path = paths.get(name) ?? draw("path", {});
      paths.set(name, path);
      path.setAttribute("class", `rp-line rp-line-${k % 4}`);
      let isOn = false;
      path.setAttribute("d", each.map((value, i) => {
        const mark = value === null ? "" : `${isOn ? "L" : "M"}${(1000 * x(i)).toFixed(1)} ${(100 - (100 * value) / measure.top).toFixed(2)}`;
        isOn = value !== null;
        return mark;
      }).join(""));
      return path;
    });
    picture.replaceChildren(picture.firstChild, ...drawn);
    legend.replaceChildren(...every.map(([name, each], k) => make("span", { class: `rp-line-${k % 4}` },
      make("i", { "aria-hidden": "true" }), `${seen(name)} ${each.length && each.at(-1) !== null ? brief(each.at(-1)) : "–"}`)),
    make("span", { class: "rp-soft", text: unit }));
    show();
  };
  return { el, update, close };
}
