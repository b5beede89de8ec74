// The front end as it is sent: a module in base64 that gzip has made a third as large.
const stream = new Blob([Uint8Array.from(atob(packed), (each) => each.charCodeAt(0))]).stream();
const text = await new Response(stream.pipeThrough(new DecompressionStream("gzip"))).text();
const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
const { default: widget } = await import(address);
URL.revokeObjectURL(address);
export default widget;
