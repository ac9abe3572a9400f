/** The bar of all pages: name of the run, branch, uncommitted decisions, what runs. */
import { $, plural } from "./dom.js";

const WORDS = { starting: "starts", running: "runs", stopping: "stopping", failed: "run failed", killed: "run was killed" };

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds)), two = value => String(value).padStart(2, "0");
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)} h` : `${Math.floor(whole / 60)}:${two(whole % 60)}`;
}

export function showTop({ name, branch, uncommitted, run }) {
  $("top-name").textContent = name;
  $("top-branch").textContent = branch;
  $("top-branch").hidden = !branch;
  $("top-uncommitted").textContent = plural(uncommitted, "uncommitted decision");
  $("top-uncommitted").hidden = !uncommitted;
  const parts = [run.stage ?? WORDS[run.phase], run.step && `${run.step}${run.steps ? ` / ${run.steps}` : ""}`, run.left && clock(run.left)];
  $("top-run").textContent = WORDS[run.phase] ? parts.filter(Boolean).join(" · ") : run.phase;
  $("top-run").hidden = !WORDS[run.phase];
  $("top-run").className = `top-run level ${run.phase}`;
}
