// The front end as it is sent: a module in base64 that gzip has made a third as large. What it shows
// comes in the same form.
const unpacked = (sent) => new Response(
  new Blob([Uint8Array.from(atob(sent), (each) => each.charCodeAt(0))]).stream().pipeThrough(new DecompressionStream("gzip")),
).text();
const unpack = async () => {
  const address = URL.createObjectURL(new Blob([await unpacked(packed)], { type: "text/javascript" }));
  const { default: widget } = await import(address);
  URL.revokeObjectURL(address);
  return widget(unpacked);
};
const widget = unpack();
// It starts at once, and works when all is unpacked: anywidget waits for 2 s, see `unmute`.
export default {
  initialize({ model }) {
    const started = widget.then(({ initialize }) => initialize(model));
    model.on("msg:custom", (message) => started.then(({ hear }) => hear(message)));
    return () => started.then(({ close }) => close());
  },
  render: async (given) => (await widget).render(given),
};
