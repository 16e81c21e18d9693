/* Shows of the flows what a reader looks at. Whatever hosts have said becomes text, never markup. */
const data = JSON.parse(document.getElementById("data").textContent);
const [ANCHOR, STATUS, NAME, CLIENT, DESTINATION, VERDICT, CERTAINTY, CODE, TITLE, HOST, CAPTURE, GROUP, DETAILS, TRAFFIC] = Array(14).keys();
const LISTED = 30; // flows that are listed until somebody asks for more
const CELLS = 1000, COLUMNS = 40, ROWS = 60; // of the matrix at a time

/* -- reading and making */

const read = reference => {
  const entry = data.values[reference];
  if (!Array.isArray(entry)) return entry;
  const [shape, ...references] = entry;
  if (shape === 0) return references.map(read);
  return Object.fromEntries(data.shapes[shape].map((name, index) => [name, read(references[index])]));
};
const get = (row, column) => data.values[row[column]];
const status = row => data.statuses[get(row, STATUS)];
const route = row => `${get(row, CLIENT)} -> ${get(row, DESTINATION)}`;
const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

const el = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children.filter(child => child !== null && child !== ""));
  return made;
};
const button = (text, press, attributes = {}) => {
  const made = el("button", {type: "button", ...attributes}, text);
  made.addEventListener("click", press);
  return made;
};
const when = (what, make) => what ? make(what) : null;
const list = sentences => el("ul", {}, ...sentences.map(sentence => el("li", {}, sentence)));
const scroll = (name, content) => el("div", {class: "scroll", tabindex: 0, role: "region", "aria-label": name}, content);
const table = (attributes, heads, bodies) => el("table", attributes,
  el("thead", {}, el("tr", {}, ...heads.map(head => el("th", {scope: "col"}, head)))), ...bodies);
const row = cells => el("tr", {}, ...cells.map(cell => el("td", {}, cell)));
const fold = (summary, make, open = false) => {
  const made = el("details", {}, el("summary", {}, summary));
  const fill = () => { if (made.children.length === 1) made.append(...make()); };
  if (open) { made.open = true; fill(); }
  made.addEventListener("toggle", fill);
  return made;
};

/* -- commands */

const copied = async (code, pressed) => {
  try {
    await navigator.clipboard.writeText(code.textContent);
    pressed.textContent = "Copied";
    setTimeout(() => { pressed.textContent = "Copy"; }, 2000);
  } catch { // a browser that does not let a page do it: one key is left to the reader
    getSelection().selectAllChildren(code);
    pressed.textContent = "Selected";
  }
};
const withCopy = line => {
  const code = line.querySelector("code");
  line.append(button("Copy", event => copied(code, event.currentTarget), {class: "copy", "aria-label": `Copy ${code.textContent}`}));
  return line;
};
const command = text => withCopy(el("div", {class: "command"}, el("code", {}, text)));

/* -- a flow */

const badge = name => el("span", {class: `badge ${name}`}, el("i", {"aria-hidden": "true"}, data.glyphs[name]), " " + name);
const certainty = text => when(text, () => el("span", {class: "certainty"}, text));

const remedy = ({made, host, summary, risk, commands, remediate}) => el("div", {class: made ? "fix" : "fix advice"},
  el("p", {}, el("b", {}, made ? "Fix" : "Advice"), (host ? ` on ${host}` : "") + ": " + summary + " ", when(risk, () => el("span", {class: "risk"}, risk))),
  ...commands.flatMap(([what, text]) => ["why", "check", "rehearsal"].includes(what) ? [el("p", {class: "quiet"}, `${what}: ${text}`)]
    : [when(what, () => el("p", {class: "quiet"}, what)), command(text)]),
  ...(remediate ? [el("p", {class: "quiet"}, "made and checked by remediate, with the inventory and the flows of this run"), command(remediate)] : []));

const rules = steps => scroll("Rules on the packet's way", table({class: "rules"}, ["chain", "rule", "condition", "matches", "effect", "counter"],
  steps.map((step, number) => {
    const span = (cell, attributes = {}) => el("td", {rowspan: step.parts.length, ...attributes}, ...cell);
    return el("tbody", {class: number === steps.length - 1 ? "decides" : "way"}, ...step.parts.map(([condition, matches, seen], index) => el("tr", {},
      ...(index ? [] : [span([step.chain, " ", el("span", {class: "quiet"}, step.hook)]), span([step.rule])]),
      el("td", {}, el("code", {}, condition)), el("td", {}, matches, " ", el("span", {class: "quiet"}, seen)),
      ...(index ? [] : [span([step.effect]), span([step.packets], {class: "n"})]))));
  })));

const cause = (found, rank) => el("section", {class: rank ? "cause" : "cause decisive"},
  el("h3", {}, found.title, " ", certainty(found.certainty), " ", el("code", {}, found.code), " ", el("span", {class: "at"}, found.where)),
  el("p", {}, found.summary),
  found.evidence.length ? table({class: "evidence"}, ["host", "source", "observation"],
    [el("tbody", {}, ...found.evidence.map(each => row([each.host, el("code", {}, each.source), each.observation])))]) : null,
  found.rules.length ? rules(found.rules) : null,
  ...found.against.map(sentence => el("p", {class: "against"}, el("b", {}, "Against it:"), " " + sentence)),
  when(found.remedy, remedy));

const packets = traffic => [scroll("Packets", table({}, ["attempt", "time", "packet", "detail", "seen"],
  [el("tbody", {}, ...traffic.packets.map(packet => row([packet.attempt, ladder.at(packet.t_ms), `${packet.label} ${packet.again}`, packet.detail,
    ladder.observations(packet) + (packet.lost ? ", then lost" : "")])))])),
  when(traffic.left_out, () => el("p", {class: "quiet"}, `${count(traffic.left_out, "more packet")} in report.json.`))].filter(Boolean);

const traffic = reference => {
  const left = el("p", {class: "quiet"}, "The packets are left out of a page this large; report.json has the timeline.");
  if (reference < 0) return [left];
  const seen = read(reference);
  if (!seen) return [];
  const ladders = seen.ladders.map(([attempt, lines, leftOut], index) => fold(`What each vantage point saw, attempt ${attempt}`, () => [
    scroll(`Ladder diagram of attempt ${attempt}`, ladder.draw(attempt, lines, seen)),
    ...(leftOut ? [el("p", {class: "quiet"}, `${count(leftOut, "more packet")} not drawn.`)] : [])], index === 0));
  return [...ladders, el("p", {class: "quiet"}, seen.clocks.join(" ")), fold("Packets", () => packets(seen))];
};

const tries = attempts => scroll("Attempts", table({}, ["attempt", "address", "local port", "outcome", "errno", "after", "late answer"],
  [el("tbody", {}, ...attempts.map(each => row([each.attempt, each.address, each.local_port, each.outcome, each.errno, each.after, each.late])))]));

const body = flow => {
  const capture = get(flow, CAPTURE);
  const facts = flow[DETAILS] < 0 ? [["flow", get(flow, NAME)]] : read(flow[DETAILS]).facts;
  const made = el("div", {class: "body"}, el("dl", {}, ...facts.map(([what, text]) => el("div", {}, el("dt", {}, what), el("dd", {}, text))),
    when(capture, () => el("div", {}, el("dt", {}, "capture"), el("dd", {}, el("a", {href: capture}, capture))))));
  if (flow[DETAILS] < 0) {
    made.append(el("p", {class: "quiet"}, "The rest is left out of a page this large; report.json has it."));
    return made;
  }
  const {causes, notes, tries: attempts} = read(flow[DETAILS]);
  made.append(...causes.slice(0, 1).map(cause), ...traffic(flow[TRAFFIC]),
    ...notes.map(([what, sentences]) => el("section", {class: "note"}, el("h3", {}, what), list(sentences))),
    ...(causes.length > 1 ? [el("h3", {class: "further"}, "Further causes"), ...causes.slice(1).map(each => cause(each, 2))] : []),
    ...(attempts.length ? [fold("Attempts as the application saw them", () => [tries(attempts)])] : []));
  return made;
};

const opened = new Map(); // what has been looked at stays as it is
const shown = flow => {
  if (opened.has(flow)) return opened.get(flow);
  const name = status(flow);
  const made = el("details", {class: `flow ${name}`, id: flow[ANCHOR]}, el("summary", {}, badge(name), " ", el("b", {}, route(flow)), " ",
    el("span", {class: "verdict"}, get(flow, VERDICT)), " ", certainty(get(flow, CERTAINTY))));
  made.addEventListener("toggle", () => fill(made, flow));
  return made;
};
const fill = (made, flow) => {
  if (!made.open || opened.has(flow)) return;
  opened.set(flow, made);
  made.append(body(flow));
};

/* -- the list of flows */

const flows = document.getElementById("list");
const tally = document.getElementById("tally");
const box = document.getElementById("filter");
const wanted = {words: [], statuses: new Set(), group: -1, listed: LISTED};

const SEARCHED = [NAME, CLIENT, DESTINATION, VERDICT, CERTAINTY, CODE, TITLE, HOST];
let texts = null;
const mentioned = word => { // what several flows say is searched once
  texts ??= data.values.slice(0, data.searched).map(value => String(value).toLowerCase());
  const said = texts.map(text => text.includes(word));
  return flow => SEARCHED.some(column => said[flow[column]]);
};
const asked = () => {
  const tests = wanted.words.map(word => data.statuses.includes(word) ? flow => status(flow) === word : mentioned(word));
  if (wanted.group >= 0) tests.push(flow => flow[GROUP] === wanted.group);
  if (wanted.statuses.size) tests.push(flow => wanted.statuses.has(status(flow)));
  return data.rows.filter(flow => tests.every(test => test(flow)));
};

const show = () => {
  const found = asked(), all = data.rows.length, left = found.length - wanted.listed;
  flows.replaceChildren(...found.slice(0, wanted.listed).map(shown));
  if (left > 0) flows.append(button(`Show ${Math.min(left, 100)} of ${left} more`, () => { wanted.listed += 100; show(); }, {class: "more"}));
  tally.textContent = found.length === all ? count(all, "flow") : `${found.length} of ${count(all, "flow")}`;
  document.getElementById("everything").hidden = found.length === all;
  for (const each of document.querySelectorAll("#statuses button")) each.setAttribute("aria-pressed", wanted.statuses.has(each.value));
};
const want = change => { Object.assign(wanted, {listed: LISTED}, change); show(); };
const only = change => { box.value = ""; want({words: [], statuses: new Set(), group: -1, ...change}); };

const open = flow => {
  let made = document.getElementById(flow[ANCHOR]);
  if (!made) {
    made = shown(flow);
    flows.prepend(made);
  }
  made.open = true;
  fill(made, flow);
  made.scrollIntoView();
  made.firstElementChild.focus({preventScroll: true});
};
const follow = () => {
  let anchor = location.hash.slice(1);
  try { anchor = decodeURIComponent(anchor); } catch { /* then it is none of ours */ }
  const flow = data.rows.find(each => each[ANCHOR] === anchor);
  if (flow) open(flow);
};
const link = flow => {
  history.replaceState(null, "", "#" + flow[ANCHOR]);
  open(flow);
};

/* -- the matrix */

const natural = new Intl.Collator("en", {numeric: true}).compare;
const matrix = {worst: new Map(), clients: [], destinations: [], trouble: false, top: 0, left: 0, at: [0, 0]};
const grid = document.getElementById("grid");

for (const flow of data.rows) { // the worst come first
  const cells = matrix.worst.get(flow[CLIENT]) ?? new Map();
  matrix.worst.set(flow[CLIENT], cells);
  if (!cells.has(flow[DESTINATION])) cells.set(flow[DESTINATION], flow);
}
const axes = () => {
  const clients = new Set(), destinations = new Set();
  for (const [client, cells] of matrix.worst) for (const [destination, flow] of cells) {
    if (!matrix.trouble || status(flow) !== "ok") { clients.add(client); destinations.add(destination); }
  }
  const sorted = references => [...references].sort((a, b) => natural(data.values[a], data.values[b]));
  Object.assign(matrix, {clients: sorted(clients), destinations: sorted(destinations), top: 0, left: 0, at: [0, 0]});
};
const size = () => {
  const columns = Math.min(matrix.destinations.length, COLUMNS);
  return [Math.min(matrix.clients.length, ROWS, Math.floor(CELLS / Math.max(columns, 1))), columns];
};
const cell = (client, destination, y, x) => {
  const flow = matrix.worst.get(client).get(destination);
  const name = flow ? status(flow) : "not asked for";
  const made = el("td", {role: "gridcell", tabindex: y === matrix.at[0] && x === matrix.at[1] ? 0 : -1, class: flow ? name : "blank",
    "aria-label": `${data.values[client]} to ${data.values[destination]}: ${name}`,
    title: flow ? `${route(flow)}: ${get(flow, VERDICT)}` : null});
  Object.assign(made.dataset, {y, x});
  return made;
};
const heading = text => { // the port is on a line of its own, so that none of it has to be cut off
  const [, name, address] = /^(?:(\S+) )?(.*)$/.exec(text);
  return name ? el("span", {}, name, el("br", {}), address) : el("span", {}, address);
};
const draw = () => {
  const [rows, columns] = size();
  const clients = matrix.clients.slice(matrix.top, matrix.top + rows);
  const destinations = matrix.destinations.slice(matrix.left, matrix.left + columns);
  grid.classList.toggle("dense", destinations.length > 6);
  grid.setAttribute("aria-rowcount", matrix.clients.length + 1);
  grid.setAttribute("aria-colcount", matrix.destinations.length + 1);
  grid.replaceChildren(
    el("thead", {}, el("tr", {"aria-rowindex": 1}, el("td", {class: "corner"}, "client"), ...destinations.map((each, x) =>
      el("th", {scope: "col", "aria-colindex": matrix.left + x + 2}, heading(data.values[each]))))),
    el("tbody", {}, ...clients.map((client, y) => el("tr", {"aria-rowindex": matrix.top + y + 2}, el("th", {scope: "row"}, data.values[client]),
      ...destinations.map((destination, x) => cell(client, destination, matrix.top + y, matrix.left + x))))));
  const part = (what, from, number, all) => number < all.length ? `${what} ${from + 1} to ${Math.min(from + number, all.length)} of ${all.length}` : "";
  document.getElementById("part").textContent = [part("clients", matrix.top, rows, matrix.clients), part("destinations", matrix.left, columns, matrix.destinations)].filter(Boolean).join(", ");
  for (const each of document.querySelectorAll("#turn button")) {
    const [down, across] = each.value.split(" ").map(Number);
    each.hidden = down ? rows >= matrix.clients.length : columns >= matrix.destinations.length;
  }
};
const move = (y, x, focus = true) => {
  const [rows, columns] = size();
  y = Math.min(Math.max(y, 0), matrix.clients.length - 1);
  x = Math.min(Math.max(x, 0), matrix.destinations.length - 1);
  const top = Math.floor(y / rows) * rows, left = Math.floor(x / columns) * columns;
  const turned = top !== matrix.top || left !== matrix.left;
  Object.assign(matrix, {top, left, at: [y, x]});
  if (turned) draw();
  grid.querySelector("td[tabindex='0']")?.setAttribute("tabindex", -1);
  const made = grid.querySelector(`td[data-y="${y}"][data-x="${x}"]`);
  made.setAttribute("tabindex", 0);
  if (focus) made.focus();
};
const press = event => {
  const at = event.target.closest("td[data-y]");
  if (!at) return;
  const [y, x] = [Number(at.dataset.y), Number(at.dataset.x)];
  const [rows] = size();
  const far = event.ctrlKey || event.metaKey;
  const steps = {ArrowUp: [y - 1, x], ArrowDown: [y + 1, x], ArrowLeft: [y, x - 1], ArrowRight: [y, x + 1],
    PageUp: [y - rows, x], PageDown: [y + rows, x], Home: [far ? 0 : y, 0], End: [far ? Infinity : y, Infinity]};
  if (event.key in steps) move(...steps[event.key]);
  else if (event.key === "Enter" || event.key === " ") choose(y, x);
  else return;
  event.preventDefault();
};
const choose = (y, x) => {
  const flow = matrix.worst.get(matrix.clients[y]).get(matrix.destinations[x]);
  if (flow) link(flow);
};

/* -- beginning */

const begin = () => {
  const many = matrix.worst.size * new Set(data.rows.map(flow => flow[DESTINATION])).size > CELLS;
  matrix.trouble = many && data.rows.some(flow => status(flow) !== "ok");
  axes();
  const trouble = document.getElementById("trouble");
  trouble.hidden = !many;
  trouble.setAttribute("aria-pressed", matrix.trouble);
  trouble.addEventListener("click", () => {
    matrix.trouble = !matrix.trouble;
    trouble.setAttribute("aria-pressed", matrix.trouble);
    axes();
    draw();
  });
  for (const each of document.querySelectorAll("#turn button")) each.addEventListener("click", () => {
    const [rows, columns] = size();
    const [down, across] = each.value.split(" ").map(Number);
    move(matrix.top + down * rows, matrix.left + across * columns, false);
  });
  grid.addEventListener("keydown", press);
  grid.addEventListener("click", event => {
    const at = event.target.closest("td[data-y]");
    if (at) { move(Number(at.dataset.y), Number(at.dataset.x), false); choose(Number(at.dataset.y), Number(at.dataset.x)); }
  });
  if (matrix.clients.length) draw();

  for (const line of document.querySelectorAll("main div.command")) withCopy(line);
  for (const each of document.querySelectorAll("button[data-group]")) each.addEventListener("click", () => {
    only({group: Number(each.dataset.group)});
    document.getElementById("flows").scrollIntoView();
    flows.querySelector("summary")?.focus({preventScroll: true});
  });
  for (const each of document.querySelectorAll("#statuses button")) each.addEventListener("click", () => {
    const statuses = new Set(wanted.statuses);
    if (!statuses.delete(each.value)) statuses.add(each.value);
    want({statuses});
  });
  box.addEventListener("input", () => want({words: box.value.toLowerCase().split(/\s+/).filter(Boolean)}));
  document.getElementById("everything").addEventListener("click", () => only({}));
  document.getElementById("collapse").addEventListener("click", () => { for (const each of flows.querySelectorAll("details[open]")) each.open = false; });
  for (const each of document.querySelectorAll("[data-script]")) each.hidden = false;
  document.getElementById("flow-matrix").hidden = !matrix.clients.length;
  show();
  window.addEventListener("hashchange", follow);
  if (location.hash) follow();
};
begin();
