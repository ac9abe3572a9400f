/** /run: start, stop, watch. */
import { frame, get, post, say } from "./api.js";
import "./curve.js";
import { drawCommit } from "./commit.js";
import { $, asked, isReadOnly, isTyping, make, plural, runKey } from "./dom.js";
import { drawQueue } from "./queue.js";
import { samplesNews, sampleStep } from "./samples.js";
import { drawTraining, trainingNews, trainingState } from "./training.js";

const MOST_LOG = 200_000;
const OVER = ["idle", "done", "failed", "stopped", "killed"];
const WORDS = {
  idle: "idle", starting: "starts", running: "runs", stopping: "stopping", done: "done", failed: "failed", stopped: "stopped", killed: "killed",
  changed: "will run", follows: "may follow", same: "up to date", unchanged: "unchanged", cached: "from the cache", unknown: "",
};
let run = { phase: "idle", stages: {} }, plan = [], text = "", timer = 0;
const isOver = () => OVER.includes(run.phase);

async function sure(title, lines, yes) {
  $("sure-title").textContent = title;
  $("sure-text").replaceChildren(...lines.map(line => make("p", {}, line)));
  $("sure-yes").textContent = yes;
  return (await asked($("sure"))) === "yes";
}

/** What `dvc status` says would run. */
async function askPlan() {
  $("planned").textContent = "asking DVC…";
  try {
    const said = await get("/api/run/planned");
    plan = said.stages;
    const number = plan.filter(stage => stage.state === "changed").length;
    $("planned").textContent = said.why ? said.why : number ? `${plural(number, "stage")} will run` : "everything is up to date";
  } catch (error) {
    $("planned").textContent = error.message;
  }
  const chosen = $("stage").value;
  $("stage").replaceChildren(make("option", { value: "" }, "all stages"), ...plan.map(stage => make("option", { value: stage.name }, stage.name)));
  $("stage").value = chosen;
  drawStages();
}

function drawStages() {
  const live = run.stages ?? {}, names = [...new Set([...plan.map(stage => stage.name), ...Object.keys(live)])];
  $("stages").replaceChildren(...names.map(name => {
    const planned = plan.find(stage => stage.name === name) ?? { state: "same", reasons: [] };
    const now = live[name] === "running" && isOver() ? (run.phase === "done" ? "done" : run.phase) : live[name];
    const state = isOver() ? planned.state : now ?? planned.state;
    return make("li", {}, make("div", { class: "line" }, make("b", {}, name), make("span", { class: `level ${state}` }, WORDS[state] ?? state)),
      isOver() && planned.reasons.length ? make("details", {}, make("summary", {}, plural(planned.reasons.length, "reason")), make("ul", {}, ...planned.reasons.map(line => make("li", {}, line)))) : null);
  }));
}

async function start() {
  const stage = $("stage").value || null, changed = plan.filter(each => each.state === "changed").map(each => each.name);
  const what = stage ? `dvc repro ${stage}` : "dvc repro";
  const lines = changed.length ? [`Will run: ${changed.join(", ")}${stage ? `, as far as ${stage} needs them` : ""}.`] : ["Everything seems to be up to date."];
  if (!(await sure(`Start \`${what}\`?`, lines, "Start"))) return;
  await send("/api/run/start", { stage });
}

async function stop() {
  const step = Math.min(run.stops + 1, 3);
  if (step === 3 && !(await sure("Kill it?", ["What the running stage has not written is lost. A training goes on from its last checkpoint."], "Kill"))) return;
  await send("/api/run/stop", { run: run.number, step });
}

async function send(path, body) {
  try {
    say((await post(path, body)).said);
  } catch (error) {
    say(error.message, true);
  }
}

function drawRun() {
  clearTimeout(timer);
  const stage = Object.entries(run.stages ?? {}).findLast(([, state]) => state === "running")?.[0];
  $("phase").textContent = WORDS[run.phase];
  $("phase").className = `level ${run.phase}`;
  $("run-said").textContent = [run.job ? `Queue: ${run.job}.` : "", run.said, !isOver() && stage ? `Stage ${stage}.` : "", run.code ? `Exit code ${run.code}.` : ""].filter(Boolean).join(" ");
  $("argv").textContent = run.argv ?? "";
  $("argv").title = run.argv ?? "";
  $("start").hidden = !isOver();
  $("stage").parentElement.hidden = !isOver();
  $("stop").hidden = isOver();
  const left = run.again ? run.again - Date.now() / 1000 : 0;
  const isWaiting = run.stops === 1 && left > 0;
  $("stop").disabled = isWaiting;
  $("stop").textContent = [`Stop`, isWaiting ? `Again in ${Math.ceil(left)} s` : "Stop again", "Kill…"][Math.min(run.stops ?? 0, 2)];
  if (isWaiting) timer = setTimeout(drawRun, 500);
  document.body.dataset.phase = run.phase;
  drawStages();
}

function showLog(said) {
  const log = $("log"), isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 30;
  text = ((said.anew ? (said.cut ? "…\n" : "") : text) + said.text).slice(-MOST_LOG);
  showText(isAtEnd);
}
let bar = "";
function showText(isAtEnd) {
  const log = $("log");
  log.textContent = text + bar;
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

function runNews(said) {
  const ended = !isOver() && OVER.includes(said.phase);
  run = said;
  drawRun();
  drawQueue();
  if (!ended) return;
  document.title = `${WORDS[run.phase]} · Run · Athanor`;
  say(run.said, ["failed", "killed"].includes(run.phase));
  askPlan();
}

const keys = {
  ...(isReadOnly ? {} : { s: () => (isOver() ? start() : $("stop").disabled || stop()) }),
  l: () => $("log-scale").click(), ",": () => sampleStep(-1), ".": () => sampleStep(1), "?": () => $("keys").showModal(),
};
addEventListener("keydown", event => {
  if (document.querySelector("dialog[open]") || isTyping(event)) return;
  runKey(event, keys);
});
$("start").onclick = start;
$("stop").onclick = stop;
$("ask-again").onclick = askPlan;
$("wrap").onchange = () => $("log").classList.toggle("wrap", $("wrap").checked);
$("log").classList.add("wrap");
$("log-scale").onchange = $("smooth").oninput = drawTraining;
const refresh = () => Promise.all([drawCommit(), drawQueue()]);
frame(refresh, refresh, {
  run: runNews, log: showLog, bar: said => { bar = said; showText(true); }, live: trainingNews, training: trainingState, samples: samplesNews,
});
drawCommit();
askPlan().then(() => (document.body.dataset.planned = "yes"));
document.body.dataset.state = "ready";
