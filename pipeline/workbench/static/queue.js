/** The queue: runs that wait, each with the decisions of the moment it was added. */
import { get, post, say } from "./api.js";
import { $, inTurn, isReadOnly, make } from "./dom.js";

let before = "";

export const drawQueue = inTurn(async () => {
  const queue = await get("/api/queue"), now = JSON.stringify(queue);
  if (now === before) return;
  before = now;
  const focus = document.activeElement?.closest("#queue li")?.dataset.job, typed = $("queue-overrides")?.value ?? "", isInField = document.activeElement?.id === "queue-overrides";
  const waiting = queue.jobs.filter(job => job.state === "waiting");
  $("queue-box").replaceChildren(...[
    make("div", { class: "panel-head" }, make("h2", {}, "Queue"), make("span", { class: "faint" }, queue.jobs.length ? `${waiting.length} of ${queue.jobs.length} to do` : "empty"), make("span", { class: "space" }),
      !isReadOnly && make("button", { id: "queue-switch", onclick: () => send("switch", { is_on: !queue.isOn }) }, !queue.isOn ? "Run the queue" : queue.jobs.some(job => job.state === "running") ? "Stop after this one" : "Hold the queue")),
    make("ol", { id: "queue" }, ...queue.jobs.map(job => row(job, waiting))),
    !isReadOnly && form(typed),
    !isReadOnly && make("div", { class: "queue-options" }, make("label", { class: "check" }, make("input", { type: "checkbox", id: "goes-on", checked: queue.goesOn, onchange: event => send("switch", { goes_on: event.target.checked }) }), "go on after a failure"), "Results: dvc exp show, or the Comparison page."),
  ].filter(Boolean));
  if (isInField) $("queue-overrides").focus();
  if (focus) document.querySelector(`#queue li[data-job="${CSS.escape(focus)}"]`)?.focus();
});

function row(job, waiting) {
  const act = what => send("job", { job: job.name, do: what }), isWaiting = job.state === "waiting" && !isReadOnly;
  const keys = event => {
    if (!event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    act(event.key === "ArrowUp" ? "up" : "down");
  };
  return make("li", { tabIndex: 0, "data-job": job.name, onkeydown: isWaiting ? keys : () => {} },
    make("span", { class: "what" }, job.name, make("small", {}, job.overrides.join(" ") || "settings as they were")), make("span", { class: `level ${job.state}` }, job.state),
    isWaiting && make("button", { "aria-label": `${job.name} up`, disabled: waiting[0] === job, onclick: () => act("up") }, "↑"),
    isWaiting && make("button", { "aria-label": `${job.name} down`, disabled: waiting.at(-1) === job, onclick: () => act("down") }, "↓"),
    !isReadOnly && job.state !== "running" && make("button", { "aria-label": `remove ${job.name}`, onclick: () => act("remove") }, "×"));
}

function form(typed) {
  const field = make("input", { id: "queue-overrides", value: typed, placeholder: "network.dim=8 train.epochs=4", "aria-label": "Settings that differ, as key=value" });
  const add = async () => {
    const overrides = field.value.split(/\s+/).filter(Boolean);
    if (await send("add", { overrides })) $("queue-overrides").value = "";
  };
  field.onkeydown = event => event.key === "Enter" && add();
  return make("div", { class: "queue-add" }, field, make("button", { id: "queue-add", onclick: add }, "Add"));
}

async function send(what, body) {
  try {
    say((await post(`/api/queue/${what}`, body)).said);
  } catch (error) {
    say(error.message, true);
    return false;
  }
  before = "";
  await drawQueue();
  return true;
}
