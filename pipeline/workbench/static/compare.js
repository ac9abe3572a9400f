/** /grid: places of the sample grid, next to and over each other; blind votes and what they say. */
import { frame, get, post, say, step, steps } from "./api.js";
import { bakePanel } from "./bake.js";
import { $, inTurn, isReadOnly, isTyping, make, plural, runKey } from "./dom.js";
import { markPanel, starsOf } from "./stars.js";

const view = $("view");
let grid = { places: [] }, prompt = 1, seed = 0, one = 0, other = 1, mode = "alone", isFlipped = false, cut = 50, zoom = 1, shift = [0, 0], pair = null;

const source = (place, kind = "full") => {
  const handle = grid.places[place]?.pictures[`${prompt}-${seed}`];
  return handle ? `/picture/${handle}/${kind}` : "";
};

const marks = markPanel({ place: () => grid.places[one], seen: () => grid.files.votes, refresh: () => refresh(), back: () => view.focus() });
const baking = bakePanel({ number: () => (isFlipped ? other : one), grid: () => grid, refresh: () => refresh(), back: () => view.focus() });

const refresh = inTurn(async () => {
  try {
    grid = await get("/api/grid");
  } catch (error) {
    return say(error.message, true);
  }
  steps(grid.undo, grid.redo);
  if (!grid.places.length) {
    view.replaceChildren(make("p", { class: "empty" }, "No grid yet: `dvc repro sample-grid` draws it."));
    return;
  }
  if (!grid.seeds.includes(seed)) [seed] = grid.seeds;
  const best = grid.ranking[0]?.place ?? grid.places.length - 1;
  if (!$("one").options.length) [one, other] = [best, grid.ranking[1]?.place ?? 0];
  one = Math.min(one, grid.places.length - 1);
  other = Math.min(other, grid.places.length - 1);
  const fill = (id, rows, chosen) => $(id).replaceChildren(...rows.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
  fill("prompt", grid.prompts.map((text, number) => [number + 1, `${number + 1}: ${text}`]), prompt);
  fill("seed", grid.seeds.map(each => [each, String(each)]), seed);
  for (const [id, place] of [["one", one], ["other", other]]) fill(id, grid.places.map((each, number) => [number, each.label]), place);
  draw();
  ranking();
});

const image = (place, name) => make("figure", { class: name }, make("img", { src: source(place), alt: `${grid.places[place].label}, prompt ${prompt}, seed ${seed}`, draggable: false }));

function draw() {
  if (!grid.places.length) return;
  for (const [id, value] of [["prompt", prompt], ["seed", seed], ["one", one], ["other", other], ["mode", mode]]) $(id).value = value;
  view.className = mode;
  const shown = mode === "alone" ? [image(isFlipped ? other : one, "")] : [image(one, "under"), image(other, "over")];
  view.replaceChildren(...shown, make("p", { class: "caption-line" }, mode === "alone" ? label(isFlipped ? other : one) : `${label(one)}  |  ${label(other)}`));
  move();
  strip();
  marks.draw();
  baking.draw();
}

function label(place) {
  const { label: name, score } = grid.places[place];
  const scores = Object.entries(score).map(([key, value]) => `${key} ${Math.round(100 * value)}%`);
  return [name, ...scores].join(" · ");
}

/** Zoom, place and slider of all pictures together. */
function move() {
  view.style.setProperty("--cut", `${cut}%`);
  view.style.setProperty("--zoom", zoom);
  view.style.setProperty("--x", `${shift[0]}px`);
  view.style.setProperty("--y", `${shift[1]}px`);
  view.classList.toggle("pixels", zoom > 1.5);
}

function strip() {
  const { pictures } = grid.places[isFlipped ? other : one];
  $("place-strip").replaceChildren(...Object.entries(pictures).map(([name, handle]) => {
    const [p, s] = name.split("-").map(Number);
    return make("button", { class: p === prompt && s === seed ? "at" : "", "aria-label": `prompt ${p}, seed ${s}`, onclick: () => show({ prompt: p, seed: s }) },
      make("img", { src: `/picture/${handle}/96`, alt: "" }));
  }));
}

function show(next) {
  ({ prompt = prompt, seed = seed, one = one, other = other, mode = mode, isFlipped = false } = next);
  draw();
  for (const place of [one - 1, one + 1]) if (source(place)) new Image().src = source(place);
}

function ranking() {
  const rows = grid.ranking, ends = rows.flatMap(row => [row.low, row.high]), [least, most] = [Math.min(...ends), Math.max(...ends)];
  const at = value => `${(100 * (value - least)) / (most - least || 1)}%`;
  const bar = row => {
    const line = make("span", { class: "interval" }), dot = make("span", { class: "dot" });
    line.style.left = at(row.low);
    line.style.right = `calc(100% - ${at(row.high)})`;
    dot.style.left = at(row.strength);
    return make("span", { class: "range", "aria-hidden": "true" }, line, dot);
  };
  const marked = rows.filter(row => starsOf(grid.places[row.place]) || grid.places[row.place].note);
  marked.sort((a, b) => starsOf(grid.places[b.place]) - starsOf(grid.places[a.place]));
  const item = row => {
    const { label: name, note } = grid.places[row.place], stars = starsOf(grid.places[row.place]);
    return make("li", {}, make("button", { onclick: () => show({ one: row.place }) }, name),
      stars > 0 && make("span", { class: "stars", role: "img", "aria-label": plural(stars, "star") }, "★".repeat(stars)),
      grid.votes > 0 && make("small", { class: "faint" }, plural(row.votes, "vote"), row.isSure ? " · surely better than the next" : ""),
      note && make("small", { class: "place-note" }, note), grid.votes > 0 && bar(row));
  };
  $("votes-said").replaceChildren(...[grid.standing ? `${grid.standing}.` : "No votes on this grid yet. About forty order nine places.", grid.agreement && `${grid.agreement[0].toUpperCase()}${grid.agreement.slice(1)}.`].filter(Boolean).map(text => make("p", {}, text)));
  $("order").replaceChildren(...(grid.votes ? rows : marked).map(item));
}

async function nextPair() {
  try {
    pair = await get("/api/grid/pair");
  } catch (error) {
    $("vote-view").close();
    return say(error.message);
  }
  if (pair.done) {
    const { done } = pair;
    pair = null;
    $("vote-view").close();
    return say(done);
  }
  ["left", "right"].forEach((side, number) => $(side).replaceChildren(make("img", { src: `/picture/${pair.handles[number]}/full`, alt: "", draggable: false })));
  $("vote-prompt").textContent = grid.prompts[pair.prompt - 1];
  $("vote-count").textContent = plural(pair.votes, "vote");
  return null;
}

async function vote(choice) {
  if (!pair || isReadOnly) return;
  const { sides, prompt: number, seed: drawn } = pair;
  pair = null;
  try {
    await post("/api/vote", { sides, prompt: number, seed: drawn, choice });
  } catch (error) {
    say(error.message, true);
  }
  await nextPair();
}

async function openVotes() {
  if (isReadOnly || !grid.places.length) return;
  $("vote-view").showModal();
  $("vote-stage").focus();
  await nextPair();
}

const stepPlace = (rows, columns) => {
  const now = grid.places[one], wanted = each => each.sheet === now.sheet && (rows ? each.row === now.row + rows && (each.column === now.column || each.isBase || now.isBase) : each.row === now.row && each.column === now.column + columns);
  const found = grid.places.findIndex(wanted);
  if (found >= 0) show({ one: found });
};
const stepIn = (list, value, by) => list[(list.indexOf(value) + by + list.length) % list.length];
const numbers = () => grid.prompts.map((_, number) => number + 1);
const slide = by => {
  cut = Math.min(100, Math.max(0, cut + by));
  move();
};
const toPixels = () => {
  const picture = view.querySelector("img"), whole = picture.naturalWidth / picture.clientWidth;
  [zoom, shift] = zoom === 1 ? [Math.max(2, whole), [0, 0]] : [1, [0, 0]];
  move();
};

for (const id of ["prompt", "seed", "one", "other"]) $(id).onchange = event => show({ [id]: Number(event.target.value) });
$("mode").onchange = event => show({ mode: event.target.value });
$("vote").onclick = openVotes;
$("vote-close").onclick = () => $("vote-view").close();
for (const side of ["left", "right", "equal", "neither"]) $(side).onclick = () => vote(side);
$("vote-view").addEventListener("close", async () => {
  const before = grid.votes;
  await refresh();
  if (grid.votes > before) show({ one: grid.ranking[0].place, other: grid.ranking[1].place });
});
$("vote-view").addEventListener("keydown", event => {
  const undo = async () => { await step("undo", nextPair); };
  runKey(event, { ArrowLeft: () => vote("left"), ArrowRight: () => vote("right"), ArrowDown: () => vote("equal"), 0: () => vote("neither"), z: () => $("vote-stage").classList.toggle("zoomed"), "Ctrl+z": undo });
});
view.addEventListener("wheel", event => {
  event.preventDefault();
  zoom = Math.min(16, Math.max(1, zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2)));
  if (zoom === 1) shift = [0, 0];
  move();
}, { passive: false });
view.addEventListener("pointerdown", event => {
  view.setPointerCapture(event.pointerId);
  const start = [event.clientX, event.clientY], before = [...shift], ended = new AbortController();
  view.addEventListener("pointermove", each => {
    if (mode === "slide" && zoom === 1) {
      const box = view.querySelector("img").getBoundingClientRect();
      cut = Math.min(100, Math.max(0, (100 * (each.clientX - box.left)) / box.width));
    } else if (zoom > 1) shift = [before[0] + each.clientX - start[0], before[1] + each.clientY - start[1]];
    move();
  }, { signal: ended.signal });
  for (const name of ["pointerup", "pointercancel"]) view.addEventListener(name, () => ended.abort(), { signal: ended.signal });
});
const keys = {
  ArrowLeft: () => stepPlace(0, -1), ArrowRight: () => stepPlace(0, 1), ArrowUp: () => stepPlace(-1, 0), ArrowDown: () => stepPlace(1, 0),
  PageDown: () => show({ prompt: stepIn(numbers(), prompt, 1) }), PageUp: () => show({ prompt: stepIn(numbers(), prompt, -1) }),
  ",": () => show({ seed: stepIn(grid.seeds, seed, -1) }), ".": () => show({ seed: stepIn(grid.seeds, seed, 1) }),
  Space: () => show({ mode: "alone", isFlipped: !isFlipped }), "[": () => slide(-5), "]": () => slide(5), z: toPixels, v: openVotes, n: marks.write, b: baking.open,
  o: () => show({ mode: "alone" }), s: () => show({ mode: "side" }), l: () => show({ mode: "slide" }), d: () => show({ mode: mode === "difference" ? "alone" : "difference" }), "?": () => $("keys").showModal(),
  "Ctrl+z": () => isReadOnly || step("undo", refresh), "Ctrl+Z": () => isReadOnly || step("redo", refresh), "Ctrl+y": () => isReadOnly || step("redo", refresh),
};
for (const stars of [0, 1, 2, 3, 4, 5]) keys[stars] = () => marks.rate(stars);
addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || isTyping(event) || (event.target.closest("button, a") && ["Enter", " "].includes(event.key))) return;
  if (grid.places.length) runKey(event, keys);
});

await refresh();
view.focus();
frame(refresh, names => (["votes", "grid", "params", "settings"].some(name => names.includes(name)) ? refresh() : null));
document.body.dataset.state = "ready";
