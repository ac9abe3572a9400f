/** /gate: faults of the last `collect`, a card each. */
import { frame, get, say, step, steps, write } from "./api.js";
import { $, asked, inTurn, isReadOnly, isTyping, make, plural, runKey } from "./dom.js";
import { reasonFor } from "./reason.js";

let gate = { faults: [] }, at = 0, shown = [];
const isDecided = fault => fault.waived !== null || Boolean(fault.left[fault.id]) || (fault.other && Boolean(fault.left[fault.other]));
const keyOf = fault => `${fault.check}\n${fault.id}\n${fault.other ?? ""}`;
const named = fault => fault.id ?? "the whole set";

const refresh = inTurn(async () => {
  try {
    gate = await get("/api/gate");
  } catch (error) {
    return say(error.message, true);
  }
  steps(gate.undo, gate.redo);
  draw();
});

async function send(path, body, file) {
  const said = await write(path, body, () => gate.files[file], refresh);
  if (said) say(`${said.said}. Ctrl+Z undoes it.`);
  await refresh();
}

async function waive(faults) {
  const [{ check }] = faults, whom = faults.length === 1 ? named(faults[0]) : plural(faults.length, "picture");
  const reason = await reasonFor(`Why accept ${check} of ${whom}?`, gate.reasons);
  if (reason) await send("/api/waive", { pictures: faults.map(fault => fault.id), check, reason }, "waivers");
}
const unwaive = fault => send("/api/waive", { pictures: [fault.id], check: fault.check, reason: null }, "waivers");
async function leaveOut(id) {
  const reason = await reasonFor(`Why leave out ${id}?`, [...new Set(["bad quality", "wrong subject", "duplicate", ...gate.reasons])]);
  if (reason) await send("/api/leave-out", { pictures: [id], reason }, "left_out");
}
const choose = (kept, other) => send("/api/leave-out", { pictures: [other], reason: `duplicate of ${kept}` }, "left_out");
const takeBack = id => send("/api/leave-out", { pictures: [id], reason: null }, "left_out");

function large(handle, id) {
  const view = make("dialog", { class: "large", "aria-label": id }, make("img", { src: `/picture/${handle}/full`, alt: id }),
    make("form", { method: "dialog", class: "buttons" }, make("b", {}, id), make("span", { class: "space" }), make("button", { autofocus: true }, "Close")));
  document.body.append(view);
  return asked(view).then(() => view.remove());
}

function picture(fault, id) {
  const handle = fault.handles[id];
  if (!handle) return make("span", { class: "gone-picture" }, `${id}: no file to show`);
  const image = make("img", { src: `/picture/${handle}/320`, alt: id, loading: "lazy" });
  image.onerror = () => image.parentElement.replaceWith(make("span", { class: "gone-picture" }, `${id} cannot be drawn`));
  const marks = id === fault.id ? (fault.marks ?? []) : [];
  if (marks.length) image.onload = () => image.parentElement.append(...marks.map(mark => outline(image, mark)));
  return make("button", { "aria-label": `${id}, large`, onclick: () => large(handle, id) }, image);
}

/** A frame around a box [left, top, width, height] in fractions of a picture that is fitted into its place. */
function outline(image, [left, top, width, height]) {
  const { naturalWidth, naturalHeight, clientWidth, clientHeight } = image;
  const scale = Math.min(clientWidth / naturalWidth, clientHeight / naturalHeight), wide = naturalWidth * scale, high = naturalHeight * scale;
  const frame = make("span", { class: "outline", "aria-hidden": "true" });
  Object.assign(frame.style, { left: `${image.offsetLeft + (clientWidth - wide) / 2 + left * wide}px`, top: `${image.offsetTop + (clientHeight - high) / 2 + top * high}px`,
    width: `${width * wide}px`, height: `${height * high}px` });
  return frame;
}

function buttons(fault) {
  const pair = [fault.id, fault.other].filter(Boolean), lost = pair.filter(id => fault.left[id]);
  if (fault.waived !== null) return [make("button", { onclick: () => unwaive(fault) }, "Delete the waiver")];
  if (lost.length) return lost.map(id => make("button", { onclick: () => takeBack(id) }, pair.length > 1 ? `Take ${id} back` : "Take back"));
  return [
    fault.canWaive && make("button", { class: "main-button", onclick: () => waive([fault]) }, "Waive…"),
    ...(pair.length > 1
      ? pair.map(id => make("button", { onclick: () => choose(id, pair.find(other => other !== id)) }, `Keep ${id}`))
      : fault.id ? [make("button", { onclick: () => leaveOut(fault.id) }, "Leave out…")] : []),
  ];
}

function card(fault, number) {
  const pair = [fault.id, fault.other].filter(Boolean), left = Object.entries(fault.left);
  const level = fault.waived !== null ? "waived" : fault.verdict ?? fault.level;
  return make("article", { class: `fault ${isDecided(fault) ? "done" : ""} ${number === at ? "at" : ""}`, "aria-label": `${fault.check}: ${named(fault)}`, tabIndex: -1, onpointerdown: () => move(number, false) },
    pair.length ? make("div", { class: "pair" }, ...pair.map(id => picture(fault, id))) : null,
    make("p", {}, make("b", {}, named(fault)), " ", make("span", { class: `level ${level}` }, level)),
    fault.other ? make("p", { class: "faint" }, `and ${fault.other}`) : null,
    make("p", {}, fault.sentence),
    fault.measured !== null && fault.limit ? measure(fault.measured, fault.limit) : null,
    fault.waived !== null && make("p", { class: "note calm" }, `waived: ${fault.waived}`),
    ...left.map(([id, reason]) => make("p", { class: "note calm" }, `${id} is left out: ${reason}`)),
    isReadOnly ? null : make("div", { class: "buttons" }, ...buttons(fault).filter(Boolean)));
}

/** A bar to twice the limit, with a line at the limit. */
function measure(measured, limit) {
  const fill = make("span");
  fill.style.width = `${Math.min(100, Math.max(0, 50 * measured / limit))}%`;
  const rounded = value => Number(value.toPrecision(3));
  return make("div", { class: "measure" }, make("span", { class: "gauge", "aria-hidden": "true" }, fill), make("small", { class: "faint" }, `${rounded(measured)}, limit ${rounded(limit)}`));
}

function section(check, faults) {
  const open = faults.filter(fault => fault.canWaive && !isDecided(fault));
  return make("section", { "aria-label": check },
    make("div", { class: "check-head" }, make("h2", {}, check), make("span", { class: "faint" }, plural(faults.length, "fault")),
      !isReadOnly && open.length > 1 && make("button", { onclick: () => waive(open) }, `Waive for these ${open.length}…`)),
    make("div", { class: "faults" }, ...faults.map(fault => card(fault, shown.indexOf(fault)))));
}

function notes() {
  const { problems, unused, ran, isOld } = gate;
  if (!ran) return [make("p", { class: "empty" }, "Nothing yet: `dvc repro collect` checks the pictures and leaves its faults here, also when it stops.")];
  return [
    isOld && make("p", { class: "note" }, "The settings have changed since; run `dvc repro collect` again."),
    ...problems.filter(problem => !gate.faults.some(fault => problem.includes(fault.sentence))).map(problem => make("p", { class: "note bad" }, problem)),
    ...unused.map(([name, check]) => make("p", { class: "note calm" }, `The waiver of ${check} for ${name} matches no fault now. `,
      !isReadOnly && make("button", { onclick: () => unwaive({ id: name, check }) }, "Delete the line"))),
  ].filter(Boolean);
}

function draw() {
  const before = shown[at] && keyOf(shown[at]), all = $("decided").checked;
  const open = gate.faults.filter(fault => !isDecided(fault) && fault.verdict !== "waived");
  const checks = Map.groupBy(gate.faults.filter(fault => all || !isDecided(fault) || keyOf(fault) === before), fault => fault.check);
  shown = [...checks.values()].flat();
  at = Math.max(0, shown.findIndex(fault => keyOf(fault) === before));
  $("gate-count").replaceChildren(make("b", {}, open.length.toLocaleString("en")), ` to decide of ${gate.faults.length.toLocaleString("en")}`);
  $("gate-note").replaceChildren(...notes());
  $("cards").replaceChildren(...[...checks].map(([check, faults]) => section(check, faults)));
  if (gate.ran && !shown.length) $("cards").append(make("p", { class: "empty" }, gate.faults.length ? "Every fault is decided. `dvc repro` goes on." : "The last collect found no fault."));
}

function move(number, focuses = true) {
  const cards = [...document.querySelectorAll(".fault")];
  if (!cards.length) return;
  at = Math.min(Math.max(number, 0), cards.length - 1);
  cards.forEach((each, place) => each.classList.toggle("at", place === at));
  if (!focuses) return;
  cards[at].focus({ preventScroll: true });
  cards[at].scrollIntoView({ block: "nearest" });
}

const writes = {
  w: () => shown[at]?.canWaive && !isDecided(shown[at]) ? waive([shown[at]]) : say("This fault cannot be waived.", true),
  x: () => shown[at]?.id && leaveOut(shown[at].id), "Ctrl+z": () => step("undo", refresh), "Ctrl+Z": () => step("redo", refresh), "Ctrl+y": () => step("redo", refresh),
};
const keys = {
  j: () => move(at + 1), k: () => move(at - 1), ArrowDown: () => move(at + 1), ArrowUp: () => move(at - 1), ArrowRight: () => move(at + 1), ArrowLeft: () => move(at - 1),
  Enter: () => shown[at]?.handles[shown[at].id] && large(shown[at].handles[shown[at].id], shown[at].id), "?": () => $("keys").showModal(),
  ...(isReadOnly ? {} : writes),
};
addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || isTyping(event)) return;
  if (event.target.closest("button, a") && ["Enter", " "].includes(event.key)) return;
  runKey(event, keys);
});
$("decided").onchange = draw;
await refresh();
frame(refresh, refresh);
document.body.dataset.state = "ready";
