// The front end as it is sent: a module in base64 that gzip has made a third as large. What it shows
// comes in the same form.
const unpacked = (sent) => new Response(
  new Blob([Uint8Array.from(atob(sent), (each) => each.charCodeAt(0))]).stream().pipeThrough(new DecompressionStream("gzip")),
).text();
const address = URL.createObjectURL(new Blob([await unpacked(packed)], { type: "text/javascript" }));
const { default: widget } = await import(address);
URL.revokeObjectURL(address);
export default widget(unpacked);
