/** /data: the pictures. */
import { frame, say, step, steps, write } from "./api.js";
import { bulkBar } from "./bulk.js";
import { complete, filterWord } from "./completion.js";
import { cullView, REASONS } from "./cull.js";
import { $, isReadOnly, isTyping, later, make, nameOf, plural, runKey } from "./dom.js";
import "./grid.js";
import { inspector } from "./inspect.js";
import { drawOverlay } from "./overlay.js";
import { reasonFor } from "./reason.js";
import { state } from "./state.js";
import { tagPanel } from "./tags.js";

const grid = $("grid"), MARKS = {
  left: ["×", "left out"], warn: ["!", "has a fault"], waived: ["w", "its fault is waived"], edited: ["e", "caption edited by hand"],
};
const VIEWS = ["crop", "original", "mask"];
let view = "crop";

const mark = kind => make("i", { class: `i-${kind}`, title: MARKS[kind][1], "aria-label": MARKS[kind][1] }, MARKS[kind][0]);

const overlay = (place, number) => drawOverlay(place, view, state.columns.mask[number], state.rows.get(number)?.made);

grid.draw = (cell, number) => {
  const [frame_, line] = cell.children, { columns } = state, image = frame_.firstChild;
  const source = state.source(number, grid.px > 320 ? "full" : "320", view === "original"), id = columns.ids[number];
  if (image.getAttribute("src") !== source) image.src = source;
  cell.setAttribute("aria-label", id);
  cell.title = id;
  cell.classList.toggle("left", state.left.has(number));
  const kinds = [state.left.has(number) && "left", columns.verdict[number], state.edited.has(number) && "edited"].filter(each => MARKS[each]);
  if (cell.kinds !== `${kinds}`) {
    cell.kinds = `${kinds}`;
    line.replaceChildren(...kinds.map(mark), make("span", {}, make("bdi", {}, " ")));
  }
  line.lastChild.firstChild.firstChild.data = id;
  overlay(frame_, number);
  if (!grid.hasWords) return cell.children[2]?.remove();
  const words = cell.children[2] ?? cell.appendChild(make("span", { class: "words" }));
  words.textContent = state.rows.get(number)?.caption ?? "";
};

grid.visible = async numbers => {
  if (!(grid.hasWords || view === "original") || numbers.every(number => state.rows.has(number))) return;
  await state.read(numbers);
  grid.redraw();
};

const scope = () => (grid.selected.size ? grid.numbers.filter(number => grid.selected.has(number)) : grid.numbers);
const back = () => grid.focus();
const filter = text => {
  $("q").value = text;
  applyFilter();
};
const bulk = bulkBar({ scope, back });
const inspect = inspector({
  number: () => grid.number, filter, act: (kind, tag, only) => bulk.start(kind, tag, only), next: each => grid.step(each, 0), back,
});
const cull = cullView({ at: () => grid.number, closed: async number => {
  await state.refresh();
  const place = grid.numbers.indexOf(number);
  if (place >= 0) grid.go(place);
  back();
} });
tagPanel({ filter, select: numbers => { grid.select(numbers); grid.go(grid.numbers.indexOf(numbers[0])); }, act: bulk.start });

grid.chosen = () => bulk.follow(grid.selected.size, grid.numbers.length);
const drawInspect = later(inspect.draw, 40);
grid.moved = () => {
  drawInspect();
  noteAddress();
};
grid.opened = () => cull.open(grid.numbers);

state.addEventListener("shown", () => {
  const { numbers, total, undo, redo, stale } = state.shown;
  $("count").replaceChildren(make("b", {}, numbers.length.toLocaleString("en")), numbers.length === total ? ` ${total === 1 ? "picture" : "pictures"}` : ` of ${plural(total, "picture")}`,
    stale ? ` · writing ${plural(stale, "caption")}` : "");
  steps(undo, redo);
  grid.show(numbers);
  drawInspect();
  bulk.follow(grid.selected.size, numbers.length);
  document.querySelector(".empty")?.remove();
  if (!numbers.length) grid.append(make("p", { class: "empty" }, total ? "No picture matches the filter." : "No pictures yet: `dvc repro collect` reads them from the sources in params.yaml."));
});

/** Filter, order and first picture are in the address. */
const noteAddress = later(() => {
  const address = new URLSearchParams(), at = state.columns.ids[grid.number];
  if (state.query) address.set("q", state.query);
  if (state.sort !== "id") address.set("sort", state.sort);
  if (at && grid.at > 0) address.set("at", at);
  history.replaceState(null, "", `${location.pathname}${address.size ? `?${address}` : ""}`);
}, 300);

const shownBy = async () => {
  try {
    await state.refresh();
  } catch (error) {
    say(error.message, true);
  }
};
const applyFilter = () => {
  state.query = $("q").value;
  grid.scrollTop = 0;
  noteAddress();
  return shownBy();
};
$("q").addEventListener("input", later(applyFilter, 12));
complete($("q"), filterWord);
$("q").addEventListener("keydown", event => {
  if (event.key === "Enter" || event.key === "ArrowDown") back();
  if (event.key === "Escape") (filter(""), back());
});
$("sort").onchange = event => {
  state.sort = event.target.value;
  state.seed = Math.floor(Math.random() * 1e6);
  grid.scrollTop = 0;
  shownBy();
};
$("show").onchange = event => show(event.target.value);
function show(name) {
  view = $("show").value = name;
  grid.layout();
}
$("captions").onchange = event => {
  grid.hasWords = event.target.checked;
  grid.layout();
  grid.reveal();
};
$("smaller").onclick = () => grid.resize(-1);
$("larger").onclick = () => grid.resize(1);
$("cull").onclick = () => cull.open(grid.numbers);
$("select-all").onclick = () => grid.select(grid.numbers);
$("clear").onclick = () => grid.select([]);
for (const [button, panel] of [["show-tags", "tags"], ["show-inspect", "inspect"]])
  $(button).onclick = () => $(button).setAttribute("aria-expanded", String($(panel).classList.toggle("open")));

/** The selected pictures, else the one under the cursor. */
const few = () => (grid.selected.size ? scope() : grid.number >= 0 ? [grid.number] : []);
async function leaveOut() {
  const numbers = few();
  if (isReadOnly || !numbers.length) return;
  const reason = await reasonFor(`Why leave out ${numbers.length === 1 ? state.columns.ids[numbers[0]] : plural(numbers.length, "picture")}?`, REASONS);
  back();
  if (reason) await decide(numbers, reason);
}
async function decide(numbers, reason) {
  if (isReadOnly || !numbers.length) return;
  const said = await write("/api/leave-out", { pictures: state.pictures(numbers), reason }, () => state.shown.files.left_out, shownBy);
  if (said) say(`${said.said}. Ctrl+Z undoes it.`);
  await shownBy();
}
/** Tags that Ctrl+C took, for Ctrl+V. */
let copied = { from: "", tags: [] };
async function copyTags() {
  if (grid.number < 0) return null;
  const [row] = await state.read([grid.number]);
  if (!row?.kept?.length) return say("This picture has no tags to copy.", true);
  copied = { from: row.id, tags: row.kept };
  navigator.clipboard?.writeText(row.kept.join(", ")).catch(() => {}); // other programs may paste them too
  return say(`${plural(row.kept.length, "tag")} of ${row.id} copied. Ctrl+V adds them to the selected pictures.`);
}
const pasteTags = () => (copied.tags.length ? bulk.paste(copied.tags, few()) : say("No tags are copied; Ctrl+C takes those of the picture under the cursor.", true));
$("leave-out").onclick = leaveOut;
$("take-back").onclick = () => decide(few(), null);

const keys = {
  "/": () => $("q").select(), c: () => cull.open(grid.numbers),
  "+": () => grid.resize(1), "=": () => grid.resize(1), "-": () => grid.resize(-1), "?": () => $("keys").showModal(),
  "Ctrl+z": () => step("undo", shownBy), "Ctrl+Z": () => step("redo", shownBy), "Ctrl+y": () => step("redo", shownBy),
  "Ctrl+a": () => grid.select(grid.numbers), "Ctrl+i": () => grid.invert(), e: inspect.edit, u: () => decide(few(), null), x: leaveOut,
  Escape: () => { for (const panel of ["tags", "inspect"]) $(panel).classList.remove("open"); grid.select([]); back(); },
  "Ctrl+c": copyTags, ...(isReadOnly ? {} : { "Ctrl+v": pasteTags, a: () => bulk.start("add"), r: () => bulk.start("remove") }),
};
VIEWS.forEach((name, number) => (keys[number + 1] = () => show(name)));
const moves = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
grid.addEventListener("keydown", event => {
  const extend = event.shiftKey, key = event.key;
  if (moves[key] && !event.altKey && !event.ctrlKey) grid.step(...moves[key], extend);
  else if (key === "Home" || key === "End") grid.go(key === "Home" ? 0 : grid.numbers.length, extend);
  else if (key === "PageDown" || key === "PageUp") grid.step(0, (key === "PageDown" ? 1 : -1) * grid.pageRows(), extend);
  else if (key === " ") grid.toggle();
  else if (key === "Enter") cull.open(grid.numbers);
  else return;
  event.preventDefault();
});
addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || isTyping(event)) return;
  if (nameOf(event) === "Ctrl+c" && !getSelection().isCollapsed) return; // marked text is copied as everywhere
  if (event.target.closest("button, summary, a") && ["Enter", " "].includes(event.key)) return;
  runKey(event, keys);
});

const changed = async names => {
  if (names.includes("pictures")) await state.readColumns();
  await shownBy();
};

async function start() {
  back();
  const address = new URLSearchParams(location.search);
  state.query = $("q").value = address.get("q") ?? "";
  const order = address.get("sort");
  if (order && [...$("sort").options].some(each => each.value === order)) state.sort = $("sort").value = order;
  await state.readColumns().catch(error => say(error.message, true));
  if (!state.query && state.sort === "id") state.showAll();
  await shownBy();
  const place = grid.numbers.findIndex(number => state.columns.ids[number] === address.get("at"));
  if (place > 0) grid.go(place);
  frame(shownBy, changed);
  document.body.dataset.state = "ready";
}
start();
