// Counts over time, of which a range is chosen by dragging or by its two ends, which are sliders.

function histogram(view, node) {
  const path = draw("path", {});
  const picture = draw("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, path);
  const shade = make("div", { class: "rp-brush" }), axis = make("div", { class: "rp-axis", "aria-hidden": "true" });
  const tip = make("div", { class: "rp-tip", hidden: true });
  const ends = ["First", "Last"].map((text) =>
    control("div", { role: "slider", tabindex: 0, class: "rp-end", "aria-label": `${text} of the range`, "aria-valuemin": 0 }));
  const plot = make("div", { class: "rp-plot" }, picture, shade, ...ends, tip);
  const el = make("div", { role: "group", "aria-label": node.props.label }, plot, axis);
  const n = () => node.props.counts.length;

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
      ends[i].setAttribute("aria-valuetext", node.props.edges[at] ?? "");
    });
  };
  const move = (range) => {
    view.keep(node, range, "brush");
    brush();
  };
  const done = () => view.act(node, "brush", { brush: node.props.brush });
  const place = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    return Math.max(0, Math.min(n(), ((event.clientX - left) / width) * n()));
  };

  plot.addEventListener("pointerdown", (down) => {
    if (!n() || down.button) return;
    const end = ends.indexOf(down.target);
    const start = place(down), fixed = end < 0 ? start : (node.props.brush ?? [0, n()])[1 - end];
    let hasMoved = false;
    plot.setPointerCapture(down.pointerId);
    plot.onpointermove = (event) => {
      if (Math.abs(event.clientX - down.clientX) < 3 && !hasMoved) return;
      hasMoved = true;
      const now = place(event), first = Math.floor(Math.min(fixed, now));
      move([first, Math.max(first + 1, Math.ceil(Math.max(fixed, now)))]);
    };
    plot.onpointerup = plot.onpointercancel = () => {
      plot.onpointermove = plot.onpointerup = plot.onpointercancel = null;
      // A click beside the range ends it.
      if (!hasMoved && end < 0) move(null);
      done();
    };
  });
  plot.addEventListener("pointermove", (event) => {
    const at = Math.min(n() - 1, Math.floor(place(event)));
    tip.hidden = at < 0;
    if (tip.hidden) return;
    put(tip, `${node.props.edges[at]}: ${thousands(node.props.counts[at])}`);
    tip.style.left = `${(100 * (at + 0.5)) / n()}%`;
    tip.classList.toggle("rp-left", at > n() / 2);
  });
  plot.addEventListener("pointerleave", () => { tip.hidden = true; });
  ends.forEach((each, i) => each.addEventListener("keydown", (event) => {
    const range = [...(node.props.brush ?? [0, n()])], far = event.shiftKey ? 10 : 1;
    const step = { ArrowLeft: -far, ArrowRight: far, PageDown: -10, PageUp: 10, Home: -n(), End: n() }[event.key];
    if (step === undefined && event.key !== "Escape") return;
    range[i] = i ? Math.max(range[0] + 1, Math.min(n(), range[1] + step)) : Math.max(0, Math.min(range[1] - 1, range[0] + step));
    move(event.key === "Escape" ? null : range);
    done();
    event.preventDefault();
  }));

  const update = ({ counts, ticks }) => {
    if (counts) {
      const most = Math.max(...counts, 1);
      picture.setAttribute("viewBox", `0 0 ${Math.max(1, counts.length)} 100`);
      path.setAttribute("d", counts.map((each, i) =>
        (each ? `M${i + 0.1} 100V${(99 - (95 * each) / most).toFixed(1)}h.8V100z` : "")).join(""));
      tip.hidden = true;
    }
    if (ticks) axis.replaceChildren(...ticks.map((text) => make("span", { text })));
    brush();
  };
  return { el, update };
}
