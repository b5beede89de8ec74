// Counts over time, of which a range is chosen by dragging or by its two ends, which are sliders.

function histogram(view, node) {
  const shade = make("div", { class: "rp-brush" });
  const ends = ["First", "Last"].map((text) =>
    control("div", { role: "slider", tabindex: 0, class: "rp-end", "aria-label": `${text} of the range`, "aria-valuemin": 0 }));
  const position = make("div", { class: "rp-position", hidden: true });
  const { plot, below, picture, values, times, texts, tell, close } = axes({}, shade, position, ...ends);
  const path = draw("path", { class: "rp-bars" });
  const part = draw("path", { class: "rp-marks" });
  picture.append(path, part);
  const el = make("div", { role: "group", "aria-label": node.props.label }, plot, below);
  const n = () => node.props.counts.length;
  const step = () => (typeof node.props.edges[0] === "number" ? fineness(node.props.edges) : 0);
  const written = (edge) => (typeof edge === "number" ? moment(edge, step()) : edge ?? "");
  const words = (at) => {
    const { counts, edges, unit, marked, marked_as: what } = node.props, [one, many] = unit;
    const more = marked.length ? `, ${thousands(marked[at])} ${what}` : "";
    return `${span(edges[at], edges[at + 1], step())}: ${thousands(counts[at])} ${counts[at] === 1 ? one : many}${more}`;
  };
  const hover = (at) => tell((at + 0.5) / n(), at >= 0 && at < n() ? words(at) : "");

  const brush = () => {
    const [from, to] = node.props.brush ?? [0, n()];
    const left = (100 * from) / Math.max(1, n()), right = (100 * to) / Math.max(1, n());
    shade.style.cssText = `left:${left}%;width:${right - left}%`;
    shade.hidden = !node.props.brush;
    [from, to].forEach((at, i) => {
      ends[i].hidden = !n();
      ends[i].style.left = `${i ? right : left}%`;
      ends[i].setAttribute("aria-valuemax", n());
      ends[i].setAttribute("aria-valuenow", at);
      ends[i].setAttribute("aria-valuetext", written(node.props.edges[at]));
    });
  };
  const move = (range) => {
    view.keep(node, range, "brush");
    brush();
  };
  const done = () => view.act(node, "brush", { brush: node.props.brush });
  const where = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    return Math.max(0, Math.min(n(), ((event.clientX - left) / width) * n()));
  };

  plot.addEventListener("pointerdown", (down) => {
    if (!n() || down.button) return;
    const end = ends.indexOf(down.target);
    const start = where(down), fixed = end < 0 ? start : (node.props.brush ?? [0, n()])[1 - end];
    let hasMoved = false;
    plot.setPointerCapture(down.pointerId);
    plot.onpointermove = (event) => {
      if (Math.abs(event.clientX - down.clientX) < 3 && !hasMoved) return;
      hasMoved = true;
      const now = where(event), first = Math.floor(Math.min(fixed, now));
      move([first, Math.max(first + 1, Math.ceil(Math.max(fixed, now)))]);
    };
    plot.onpointerup = plot.onpointercancel = () => {
      plot.onpointermove = plot.onpointerup = plot.onpointercancel = null;
      // A click beside the range ends it.
      if (!hasMoved && end < 0) move(null);
      done();
    };
  });
  plot.addEventListener("pointermove", (event) => n() && hover(Math.min(n() - 1, Math.floor(where(event)))));
  plot.addEventListener("pointerleave", () => hover(-1));
  ends.forEach((each, i) => {
    // The outermost bar of the range.
    const bar = () => (node.props.brush ?? [0, n()])[i] - i;
    each.addEventListener("focus", () => each.matches(":focus-visible") && hover(bar()));
    each.addEventListener("blur", () => hover(-1));
    each.addEventListener("keydown", (event) => {
      const range = [...(node.props.brush ?? [0, n()])], far = event.shiftKey ? 10 : 1;
      const by = { ArrowLeft: -far, ArrowRight: far, PageDown: -10, PageUp: 10, Home: -n(), End: n() }[event.key];
      if (by === undefined && event.key !== "Escape") return;
      range[i] = i ? Math.max(range[0] + 1, Math.min(n(), range[1] + by)) : Math.max(0, Math.min(range[1] - 1, range[0] + by));
      move(event.key === "Escape" ? null : range);
      hover(bar());
      done();
      event.preventDefault();
    });
  });

  // The smallest count is seen.
  const shape = (counts, top) => counts.map((each, i) =>
    (each ? `M${i + 0.1} 100V${(100 - Math.min(100, Math.max(1, (100 * each) / top))).toFixed(1)}h.8V100z` : "")).join("");
  const update = ({ counts, ticks, marked }) => {
    if (counts || marked) {
      const all = node.props.counts, measure = scale(Math.max(...all, 0), true);
      if (counts) values(measure, Math.max(1, counts.length));
      path.setAttribute("d", shape(all, measure.top));
      part.setAttribute("d", shape(node.props.marked, measure.top));
      hover(-1);
    }
    if (counts || ticks) {
      const { edges, ticks: given } = node.props;
      if (typeof edges[0] === "number") times(edges[0], edges.at(-1));
      else texts(given.map((text, i) => [i / Math.max(1, given.length - 1), text]));
    }
    const { edges, position: at } = node.props, share = (at - edges[0]) / (edges.at(-1) - edges[0]);
    position.hidden = at === null || !(share >= 0 && share <= 1);
    if (!position.hidden) position.style.left = place(share);
    brush();
  };
  return { el, update, close };
}
