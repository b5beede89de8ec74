// A number and its recent history as a line; screen readers get a sentence.
const WIDTH = 96, HEIGHT = 20;
const SVG = "http://www.w3.org/2000/svg";

function render({ model, el }) {
  el.classList.add("rnb-spark");
  const line = document.createElementNS(SVG, "polyline");
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  picture.setAttribute("role", "img");
  picture.append(line);
  const name = make("span", { class: "rnb-spark-name" });
  const value = make("span", { class: "rnb-spark-value" });
  el.replaceChildren(name, value, picture);
  return watch(model, ["points", "value", "label"], () => {
    const points = model.get("points");
    const largest = Math.max(...points, 1e-9);
    const step = WIDTH / Math.max(1, model.get("size") - 1);
    // The current value is on the right; earlier ones move to the left.
    const from = WIDTH - step * (points.length - 1);
    line.setAttribute("points", points.map((each, i) =>
      `${(from + i * step).toFixed(1)},${(HEIGHT - 1 - (each / largest) * (HEIGHT - 2)).toFixed(1)}`
    ).join(" "));
    name.textContent = model.get("label");
    value.textContent = model.get("value");
    picture.setAttribute("aria-label", model.get("sentence"));
  });
}

export default { render };
