/** A training while it runs: numbers, curve, the doctor's sentences. */
import { $, make } from "./dom.js";

const MOST_ROWS = 20_000;
let rows = [], epochs = [], findings = [], about = {}, isOn = false, end = null, timer = 0;

const short = (value, digits = 3) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(digits))));
const bytes = value => (value ? `${short(value / 1e9)} GB` : "–");

/** `95` as 1:35. */
export function clock(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  const whole = Math.max(0, Math.round(seconds)), two = value => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** New rows; `anew`: those of another training. */
export function trainingNews(said) {
  if (said.anew) [rows, epochs, findings] = [[], [], []];
  const first = said.steps[0]?.step;
  if (first !== undefined) rows = rows.filter(row => row.step < first);
  rows.push(...said.steps);
  if (rows.length > MOST_ROWS) rows = rows.filter((_, place) => place % 2 === 0 || place === rows.length - 1);
  epochs.push(...said.epochs);
  findings.push(...said.findings);
  about = said.run;
  trainingState(said);
}

export function trainingState(said) {
  [isOn, end] = [said.isOn, said.end];
  if (timer) return;
  timer = setTimeout(() => { timer = 0; drawTraining(); }, 60);
}

export function drawTraining() {
  const last = rows.at(-1);
  $("training").hidden = !last && !findings.length;
  if ($("training").hidden) return;
  $("training-name").textContent = `${isOn ? "Training" : "Last training"} ${about.name ?? ""}`;
  drawNumbers(last ?? {});
  $("findings").replaceChildren(...findings.map(each => make("p", { class: "note bad", role: "alert" }, make("b", {}, each.sentence), " ", each.advice)));
  Object.assign($("curve"), { isLog: $("log-scale").checked, weight: Number($("smooth").value) });
  $("curve").show(rows, epochs, about.steps);
}

function drawNumbers(last) {
  const held = epochs.findLast(each => each.validation !== null);
  const numbers = [
    ["step", `${last.step ?? 0}${about.steps ? ` / ${about.steps}` : ""}`], ["epoch", `${last.epoch ?? "–"}${about.epochs ? ` / ${about.epochs}` : ""}`],
    ["loss", short(last.loss)], held && ["held-out loss", short(held.validation)], ["rate", short(last.lr)],
    last.text_encoder_lr ? ["encoder rate", short(last.text_encoder_lr)] : null,
    last.gradient_norm === null || last.gradient_norm === undefined ? null : ["gradient", short(last.gradient_norm)], ["pictures/s", short(last.pictures_per_s)], ["memory", bytes(last.memory_bytes)],
    ["time left", isOn ? clock(last.seconds_left) : end ?? "–"],
  ];
  $("numbers").replaceChildren(...numbers.filter(Boolean).map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

$("curve").addEventListener("at", event => {
  const { step, epoch, loss, lr, gradient_norm: norm } = event.detail;
  $("curve-at").textContent = `step ${step}, epoch ${epoch ?? "–"}: loss ${short(loss, 4)}, rate ${short(lr)}, gradient ${short(norm)}`;
});
