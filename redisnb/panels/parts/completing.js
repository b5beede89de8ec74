// Words for the place of the cursor, in a list below a field. Enter goes on as if it were not there,
// until an arrow key has gone into it.
const MOST_WORDS = 60;
const PLAIN_NAME = /^[\p{L}_][\p{L}\p{N}_]*(\.[\p{L}\p{N}_]+)*$/u;
const RESERVED = new Set(["and", "or", "not", "in", "like", "contains", "is", "true", "false", "null"]);
const SIGNS = ["=", "!=", "<", "<=", ">", ">=", "in (", "like", "contains", "is null", "is not null"];
const PIECE = /\s*('[^']*(?:''[^']*)*'?|"[^"]*(?:""[^"]*)*"?|[=!<>]=|<>|[=<>(),]|[^\s'"=!<>(),]+)/gy;

const nameAsWritten = (name) => (PLAIN_NAME.test(name) && !RESERVED.has(name.toLowerCase()) ? name : `"${name.replaceAll('"', '""')}"`);

// What a filter expression may go on with: the columns, what a column is compared by, its values.
function termsAt(text, columns) {
  const names = new Map(Object.keys(columns).map((name) => [nameAsWritten(name).toLowerCase(), name]));
  let expects = "column", column = null, isList = false, from = text.length, before = expects;
  for (const match of text.matchAll(PIECE)) {
    const piece = match[1], word = piece.toLowerCase();
    const end = match.index + match[0].length;
    before = expects;
    if (expects === "column") {
      if (word !== "not" && word !== "(") [column, expects] = [names.get(word) ?? piece, "sign"];
    } else if (expects === "sign") {
      if (word === "in") [expects, isList] = ["value", true];
      else if (word === "is") expects = "null";
      else if (word !== "not") expects = "value";
    } else if (expects === "value") {
      if (word !== "(") expects = isList ? "next" : "join";
    } else if (expects === "next") {
      if (word === ")") [expects, isList] = ["join", false];
      else expects = "value";
    } else if (expects === "null") {
      if (word === "null") expects = "join";
    } else if (word === "and" || word === "or") expects = "column";
    // The piece at the cursor is still being typed, unless it is a sign or a text that is complete.
    const isDone = /^[(),]$/.test(piece) || /^(['"]).*\1$/.test(piece) && piece.length > 1;
    if (end === text.length && !isDone) [from, expects] = [end - piece.length, before];
  }
  const words = {
    column: [...Object.keys(columns).map((name) => [nameAsWritten(name), "column"]), ["not", ""]],
    sign: SIGNS.map((each) => [each, ""]),
    value: (columns[column] ?? []).map((each) => [each, ""]),
    null: [["null", ""], ["not null", ""]],
    join: [["and", ""], ["or", ""]],
    next: [],
  };
  return { from, expects, glue: isList ? "" : " ", words: words[expects] };
}

// Of a plain list the whole text is one word.
const wordsAt = (text, offers) => (Array.isArray(offers)
  ? { from: 0, expects: "", glue: "", words: offers.map((each) => [each, ""]) } : termsAt(text, offers));

function completion(field, node) {
  const list = make("div", { role: "listbox", id: fresh(), class: "rp-words-list", "aria-label": "Suggestions", hidden: true });
  let found = [], from = 0, glue = "", active = -1;
  const hasOffers = () => (Array.isArray(node.props.offers) ? node.props.offers : Object.keys(node.props.offers)).length > 0;
  const mark = (at) => {
    active = at;
    [...list.children].forEach((each, i) => { each.ariaSelected = String(i === at); });
    const option = list.children[at];
    if (option) field.setAttribute("aria-activedescendant", option.id);
    else field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  };
  const close = () => {
    list.hidden = true;
    if (field.role === "combobox") field.ariaExpanded = "false";
    mark(-1);
  };
  const open = (isAsked) => {
    const before = field.value.slice(0, field.selectionStart), at = wordsAt(before, node.props.offers);
    const typed = before.slice(at.from).toLowerCase();
    const begins = at.words.filter(([word]) => word.toLowerCase().startsWith(typed));
    const contains = at.words.filter(([word]) => !word.toLowerCase().startsWith(typed) && word.toLowerCase().includes(typed));
    [found, from, glue] = [[...begins, ...contains].slice(0, MOST_WORDS), at.from, at.glue];
    const isDone = found.length === 1 && found[0][0].toLowerCase() === typed;
    // Where nothing is typed, columns only come when asked for.
    const isWanted = isAsked || typed || at.expects === "value" || at.expects === "sign";
    if (!found.length || isDone || !isWanted || field.selectionStart !== field.selectionEnd) return close();
    list.replaceChildren(...found.map(([word, note], i) => make("div", { role: "option", id: `${list.id}-${i}` },
      make("span", { text: seen(word) }), make("span", { class: "rp-soft", text: seen(note) }))));
    list.hidden = false;
    field.ariaExpanded = "true";
    mark(-1);
  };
  const accept = (at) => {
    const [word] = found[at], after = field.value.slice(field.selectionStart);
    const written = word + (word.endsWith("(") || after.startsWith(" ") ? "" : glue);
    field.value = field.value.slice(0, from) + written + after;
    const cursor = from + written.length;
    field.setSelectionRange(cursor, cursor);
    field.dispatchEvent(new Event("input"));
    if (Array.isArray(node.props.offers)) close();
  };
  list.addEventListener("pointerdown", (event) => {
    // The field keeps the focus.
    event.preventDefault();
    const at = [...list.children].indexOf(event.target.closest("[role=option]"));
    if (at >= 0) accept(at);
  });
  field.addEventListener("input", () => hasOffers() && open(false));
  // A click asks, as the arrow key does.
  field.addEventListener("click", () => hasOffers() && list.hidden && open(true));
  field.addEventListener("blur", close);
  // Returns whether the key was for the list.
  const key = (event) => {
    if (!hasOffers() || event.isComposing) return false;
    const { key: pressed } = event, isOpen = !list.hidden, n = found.length;
    if ((pressed === "ArrowDown" || (pressed === " " && event.ctrlKey)) && !isOpen) open(true);
    else if (!isOpen) return false;
    else if (pressed === "ArrowDown") mark((active + 1) % n);
    else if (pressed === "ArrowUp") mark((active + n) % (n + 1) === n ? n - 1 : active - 1);
    else if (pressed === "Escape") close();
    else if ((pressed === "Enter" || pressed === "Tab") && active >= 0) accept(active);
    else {
      if (["Enter", "ArrowLeft", "ArrowRight", "Home", "End"].includes(pressed)) close();
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  };
  const update = () => {
    const role = hasOffers() ? { role: "combobox", "aria-autocomplete": "list", "aria-controls": list.id, "aria-expanded": "false" } : {};
    for (const name of ["role", "aria-autocomplete", "aria-controls", "aria-expanded"]) {
      if (!(name in role)) field.removeAttribute(name);
      else if (name !== "aria-expanded" || list.hidden) field.setAttribute(name, role[name]);
    }
  };
  return { list, key, update };
}
