/** Cull mode: one picture large, one key a decision. */
import { get, post, say } from "./api.js";
import { $, isReadOnly, make, runKey } from "./dom.js";
import { reasonFor } from "./reason.js";
import { state } from "./state.js";

export const REASONS = ["bad quality", "wrong subject", "duplicate"];
const AHEAD = [1, 2, -1], STRIP = 9;

/** @param {{at: () => number, closed: (number: number) => void}} page */
export function cullView(page) {
  const view = $("cull-view"), stage = $("cull-stage");
  let numbers = [], place = 0, near = null, chosen = 0, writing = Promise.resolve(), reasons = new Map(), ahead = new Map();

  const now = () => numbers[place];
  const source = number => state.source(number, "full", true);
  const image = number => {
    const known = ahead.get(number);
    if (known) return known;
    const made = make("img", { src: source(number), alt: state.columns.ids[number], draggable: false });
    made.decode().catch(() => {});
    ahead.set(number, made);
    return made;
  };
  const figure = (number, caption, isChosen) => {
    const out = reasons.get(number);
    return make("figure", { class: `${out ? "out" : ""} ${isChosen ? "chosen" : ""}`, "data-reason": out ?? "" },
      image(number), caption && make("figcaption", {}, caption));
  };

  const draw = () => {
    const number = now(), shown = near ? near.map((each, at) => figure(each.number, nearText(each, at), at === chosen)) : [figure(number)];
    stage.classList.remove("zoomed");
    stage.replaceChildren(...shown);
    $("cull-name").textContent = state.columns.ids[number];
    const out = [...reasons.keys()].filter(each => numbers.includes(each)).length;
    $("cull-count").textContent = `${place + 1} of ${numbers.length.toLocaleString("en")}${out ? ` · ${out} left out` : ""}`;
    strip();
    for (const step of AHEAD) if (numbers[place + step] !== undefined) image(numbers[place + step]);
    const keep = new Set([...numbers.slice(Math.max(0, place - 3), place + 4), ...(near ?? []).map(each => each.number)]);
    for (const each of ahead.keys()) if (!keep.has(each)) ahead.delete(each);
    words(number);
  };
  const words = async number => {
    const [row] = await state.read([number]);
    if (number === now()) $("cull-caption").textContent = row?.caption ?? "";
  };
  const strip = () => {
    const start = Math.max(0, Math.min(place - (STRIP >> 1), numbers.length - STRIP));
    $("cull-strip").replaceChildren(...numbers.slice(start, start + STRIP).map((number, at) => make("img", {
      src: state.source(number, "96"), alt: "", class: `${start + at === place ? "at" : ""} ${reasons.has(number) ? "out" : ""}`,
      onclick: () => go(start + at - place),
    })));
  };
  const go = step => {
    near = null;
    const to = Math.min(Math.max(place + step, 0), numbers.length - 1);
    if (to === place && step > 0) say("This was the last picture.");
    place = to;
    draw();
  };

  /** Writes in the order of the keys, while the next picture is shown already. */
  const decide = (which, reason) => {
    if (isReadOnly) return;
    for (const each of which) reason === null ? reasons.delete(each) : reasons.set(each, reason);
    const pictures = state.pictures(which);
    writing = writing.then(() => post("/api/leave-out", { pictures, reason })).catch(error => {
      for (const each of which) reasons.delete(each);
      say(error.message, true);
      draw();
    });
  };
  const leaveOut = reason => {
    if (near) return leaveOthers(`${reason}`);
    decide([now()], reason);
    go(1);
  };
  const leaveOthers = () => {
    const best = near[chosen], others = near.filter((_, at) => at !== chosen).map(each => each.number);
    decide(others, `duplicate of ${state.columns.ids[best.number]}`);
    near = null;
    go(1);
  };
  const nearText = (each, at) => `${at === chosen ? "keep: " : ""}${state.columns.ids[each.number]} · ${each.width}×${each.height}${each.sharpness === null ? "" : ` · sharpness ${Math.round(each.sharpness)}`}`;
  const showNear = async () => {
    if (near) {
      near = null;
      return draw();
    }
    const found = (await get(`/api/near?n=${now()}`)).near;
    if (found.length < 2) return say("No other picture is like it.");
    near = found;
    chosen = found.findIndex(each => each.best);
    draw();
  };
  const other = async () => {
    const reason = await reasonFor("Why leave out?", REASONS);
    stage.focus();
    if (reason) leaveOut(reason);
  };
  const keep = () => {
    if (near) return leaveOthers();
    if (reasons.has(now())) decide([now()], null);
    go(1);
  };
  const side = step => (near ? ((chosen = (chosen + step + near.length) % near.length), draw()) : go(step));
  const zoom = () => stage.classList.toggle("zoomed");
  stage.addEventListener("pointermove", event => {
    const box = (event.target.closest("figure") ?? stage).getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    for (const each of stage.querySelectorAll("img")) each.style.objectPosition = `${100 * x}% ${100 * y}%`;
  });
  stage.addEventListener("click", event => {
    const at = [...stage.children].indexOf(event.target.closest("figure"));
    if (near && at >= 0 && at !== chosen) side(at - chosen);
    else zoom();
  });

  const keys = {
    ArrowRight: () => side(1), ArrowLeft: () => side(-1), ArrowDown: () => go(1), ArrowUp: () => go(-1),
    Home: () => go(-numbers.length), End: () => go(numbers.length), k: keep, Space: keep, Enter: keep, x: other, z: zoom, n: showNear,
    u: () => { decide([now()], null); draw(); },
    "Ctrl+z": async () => {
      await writing;
      const said = await post("/api/undo", {}).catch(error => ({ said: error.message }));
      await follow();
      say(said.said);
    },
  };
  REASONS.forEach((reason, number) => (keys[number + 1] = () => leaveOut(reason)));
  keys[4] = other;
  view.addEventListener("keydown", event => {
    if (event.target.closest("button") && ["Space", "Enter", " "].includes(event.key)) return;
    if (runKey(event, keys)) event.stopPropagation();
  });
  const follow = async () => {
    await state.refresh();
    reasons = new Map(state.left);
    draw();
  };
  view.addEventListener("close", async () => {
    ahead.clear();
    await writing;
    page.closed(now());
  });
  $("cull-keys").addEventListener("click", event => {
    const key = event.target.closest("button")?.dataset.key;
    if (!key) return;
    stage.focus({ preventScroll: true }); // the keys go on working
    keys[key]();
  });
  $("cull-close").onclick = () => view.close();

  return {
    async open(list) {
      if (!list.length) return say("No picture is shown.", true);
      numbers = list;
      place = Math.max(0, list.indexOf(page.at()));
      near = null;
      view.showModal();
      stage.focus();
      await follow();
    },
  };
}
