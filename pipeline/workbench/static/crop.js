/** /crop: a box by mouse or keys over the whole picture; what it makes is cut by the stage's own code. */
import { frame, get, post, say, step, steps, write } from "./api.js";
import { $, isReadOnly, isTyping, later, make, runKey, svg } from "./dom.js";

const HANDLE = 9, LEAST = 16;
let pictures = [], place = 0, seen = null, own = null, box = null, saved = "null", asking = 0;
const drawing = $("crop-drawing"), stage = $("crop-stage");
const now = () => pictures[place]?.id;

async function readPictures() {
  const address = new URLSearchParams(location.search), columns = await get("/api/pictures");
  const { numbers } = await get(`/api/filter?q=${encodeURIComponent(address.get("q") ?? "")}`);
  const known = new Map(numbers.map(number => [columns.picture[number] ?? columns.ids[number], columns.original[number]]));
  pictures = [...known].map(([id, original]) => ({ id, original }));
  place = Math.max(0, pictures.findIndex(each => each.id === address.get("at")));
}

async function open() {
  if (!pictures.length) {
    $("crop-stage").replaceChildren(make("p", { class: "empty" }, "No pictures yet: `dvc repro collect` reads them."));
    return;
  }
  const { id, original } = pictures[place];
  $("crop-name").textContent = id;
  $("crop-place").textContent = `${place + 1} of ${pictures.length.toLocaleString("en")}`;
  $("crop-whole").src = `/picture/${original}/full`;
  $("crop-whole").alt = id;
  const address = new URLSearchParams(location.search);
  address.set("at", id);
  history.replaceState(null, "", `${location.pathname}?${address}`);
  await look({ picture: id });
  own = seen?.own ?? null;
  saved = JSON.stringify(own);
  draw();
  if (pictures[place + 1]) new Image().src = `/picture/${pictures[place + 1].original}/full`;
}

/** Asks what would be cut; answers that come too late are dropped. */
async function look(body) {
  const turn = ++asking;
  try {
    const found = await post("/api/crop/preview", body);
    if (turn !== asking) return;
    seen = found;
    box = null;
    $("crop-said").textContent = "";
    $("crop-said").className = "";
  } catch (error) {
    if (turn !== asking) return;
    $("crop-said").textContent = error.message;
    $("crop-said").className = "note bad";
  }
  draw();
}
const lookSoon = later(() => look({ picture: now(), own }), 50);

function change(edit) {
  own = edit && Object.keys(edit).length ? edit : null;
  box = own?.box ?? null;
  draw();
  lookSoon();
}

const current = () => box ?? seen.cuts[0].box;

function draw() {
  if (!seen) return;
  const [width, height] = seen.size, [x, y, w, h] = current(), unit = width / Math.max(1, drawing.clientWidth || width);
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const rect = ([x, y, width, height], name) => svg("rect", { x, y, width, height, class: name });
  const corners = [[x, y], [x + w, y], [x, y + h], [x + w, y + h]];
  const focus = own?.focus ?? seen.cuts[0].focus;
  drawing.replaceChildren(
    svg("path", { d: `M0 0H${width}V${height}H0ZM${x} ${y}V${y + h}H${x + w}V${y}Z`, class: "shade" }),
    ...seen.settings.map(each => rect(each, "as-set")),
    ...seen.cuts[0].faces.map(each => rect(each, "face")),
    ...(box ? [rect(box, "cut")] : seen.cuts.filter(cut => !cut.mirrored).map(cut => rect(cut.box, "cut"))),
    ...(isReadOnly ? [] : corners.map(([cx, cy]) => svg("circle", { cx, cy, r: HANDLE * unit, class: "corner" }))),
    ...(focus ? [svg("circle", { cx: focus[0], cy: focus[1], r: 5 * unit, class: "focus" })] : []));
  $("crop-cuts").replaceChildren(...seen.cuts.map(cutOf));
  $("mirror").setAttribute("aria-pressed", String(seen.cuts.some(cut => cut.mirrored)));
  $("split").setAttribute("aria-pressed", String(own?.split === true));
  $("save").disabled = JSON.stringify(own) === saved;
  $("reset").disabled = own === null;
  steps(seen.undo, seen.redo);
}

function cutOf(cut) {
  const [, , w, h] = cut.box, [width, height] = seen.size, kept = Math.round((100 * w * h) / (width * height));
  return make("figure", {}, make("img", { src: cut.image, alt: "the crop" }),
    make("figcaption", {}, `${cut.target[0]}×${cut.target[1]} from ${w}×${h}, keeps ${kept}%`, cut.mirrored ? ", mirrored" : "",
      cut.scale > 1 ? make("span", { class: "note bad" }, `enlarged ${cut.scale.toFixed(2)} times: it will look soft`) : null));
}

const clamp = (value, least, most) => Math.round(Math.min(Math.max(value, least), Math.max(least, most)));
const moved = ([x, y, w, h], dx, dy) => [clamp(x + dx, 0, seen.size[0] - w), clamp(y + dy, 0, seen.size[1] - h), w, h];

/** The box with a corner dragged to a point; of the crop's shape unless `isFree`. */
function resized([x, y, w, h], corner, to, isFree) {
  const [width, height] = seen.size, right = corner % 2 === 1, low = corner > 1;
  const [fixedX, fixedY] = [right ? x : x + w, low ? y : y + h], [roomX, roomY] = [right ? width - fixedX : fixedX, low ? height - fixedY : fixedY];
  let [newW, newH] = [Math.abs(to.x - fixedX), Math.abs(to.y - fixedY)];
  if (!isFree) {
    const [ratioW, ratioH] = seen.cuts[0].target, scale = Math.min(Math.max(newW / ratioW, newH / ratioH, LEAST / Math.min(ratioW, ratioH)), roomX / ratioW, roomY / ratioH);
    [newW, newH] = [scale * ratioW, scale * ratioH];
  }
  [newW, newH] = [clamp(newW, LEAST, roomX), clamp(newH, LEAST, roomY)];
  return [right ? fixedX : fixedX - newW, low ? fixedY : fixedY - newH, newW, newH];
}

const withBox = next => change({ ...rest("focus", "split"), box: next });
const rest = (...names) => Object.fromEntries(Object.entries(own ?? {}).filter(([name]) => !names.includes(name)));

function point(event) {
  const bounds = drawing.getBoundingClientRect();
  return { x: ((event.clientX - bounds.left) * seen.size[0]) / bounds.width, y: ((event.clientY - bounds.top) * seen.size[1]) / bounds.height };
}

drawing.addEventListener("pointerdown", event => {
  if (isReadOnly || !seen || event.button) return;
  stage.focus({ preventScroll: true });
  event.preventDefault();
  drawing.setPointerCapture(event.pointerId);
  const start = point(event), old = current(), unit = seen.size[0] / drawing.clientWidth;
  const [x, y, w, h] = old, near = ([cx, cy]) => Math.hypot(cx - start.x, cy - start.y) < 2 * HANDLE * unit;
  const corner = [[x, y], [x + w, y], [x, y + h], [x + w, y + h]].findIndex(near);
  const isInside = start.x > x && start.x < x + w && start.y > y && start.y < y + h, ended = new AbortController();
  let isDragged = false;
  drawing.addEventListener("pointermove", each => {
    const to = point(each);
    isDragged ||= Math.hypot(to.x - start.x, to.y - start.y) > 4 * unit;
    if (isDragged && corner >= 0) withBox(resized(old, corner, to, each.altKey));
    else if (isDragged && isInside) withBox(moved(old, to.x - start.x, to.y - start.y));
  }, { signal: ended.signal });
  const stop = each => {
    ended.abort();
    if (!isDragged && each.type === "pointerup" && corner < 0) change({ ...rest("box", "split"), focus: [clamp(start.x, 0, seen.size[0] - 1), clamp(start.y, 0, seen.size[1] - 1)] });
  };
  drawing.addEventListener("pointerup", stop, { signal: ended.signal });
  drawing.addEventListener("pointercancel", stop, { signal: ended.signal });
});

function grow(pixels) {
  const [x, y, w, h] = current(), ratio = h / w, width = clamp(w + 2 * pixels, LEAST, Math.min(seen.size[0], seen.size[1] / ratio)), height = Math.round(width * ratio);
  withBox(moved([x, y, width, height], (w - width) / 2, (h - height) / 2));
}
const nudge = (dx, dy) => event => withBox(moved(current(), dx * (event.shiftKey ? 10 : 1), dy * (event.shiftKey ? 10 : 1)));
const toggle = (name, isOn) => change({ ...rest(name, ...(name === "split" ? ["box", "focus"] : [])), ...(isOn ? { [name]: false } : { [name]: true }) });
const go = by => {
  if (!pictures[place + by]) return say(by > 0 ? "This was the last picture." : "This is the first picture.");
  place += by;
  return open();
};
async function save() {
  if (JSON.stringify(own) !== saved) {
    const said = await write("/api/crop", { picture: now(), own }, () => seen.files.crop_edits, () => look({ picture: now(), own }));
    if (!said) return;
    say(`${said.said}. Ctrl+Z undoes it.`);
  }
  if (pictures[place + 1]) await go(1);
  else await open();
}
const undo = kind => step(kind, open);

$("before").onclick = () => go(-1);
$("after").onclick = () => go(1);
$("save").onclick = save;
$("reset").onclick = () => change(null);
$("mirror").onclick = () => toggle("mirror", $("mirror").getAttribute("aria-pressed") === "true");
$("split").onclick = () => toggle("split", $("split").getAttribute("aria-pressed") === "true");
$("to-data").onclick = () => (location.href = `/data?at=${encodeURIComponent(now())}`);
const keys = { PageDown: () => go(1), PageUp: () => go(-1), "?": () => $("keys").showModal() };
const writes = {
  ArrowLeft: nudge(-1, 0), ArrowRight: nudge(1, 0), ArrowUp: nudge(0, -1), ArrowDown: nudge(0, 1), "[": () => grow(-4), "]": () => grow(4),
  m: () => $("mirror").click(), s: () => $("split").click(), r: () => change(null), Enter: save, "Ctrl+z": () => undo("undo"), "Ctrl+Z": () => undo("redo"), "Ctrl+y": () => undo("redo"),
};
for (const name of ["Left", "Right", "Up", "Down"]) writes[`Shift+Arrow${name}`] = writes[`Arrow${name}`];
addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || isTyping(event) || (event.target.closest("button, a") && ["Enter", " "].includes(event.key))) return;
  if (seen) runKey(event, isReadOnly ? keys : { ...keys, ...writes });
});
new ResizeObserver(draw).observe(stage);

await readPictures().catch(error => say(error.message, true));
await open();
stage.focus();
frame(open, async names => {
  if (names.includes("pictures")) await readPictures();
  if (names.includes("crop_edits") && JSON.stringify(own) === saved) await open();
});
document.body.dataset.state = "ready";
