/** /: pictures of the proposed file, what the run says, and what to do next. */
import { frame, get, say, step, steps } from "./api.js";
import { $, inTurn, isReadOnly, make, runKey } from "./dom.js";

/** The link of every line where something is decided. */
const links = () => [...document.querySelectorAll("#home-lines a")];

const refresh = inTurn(async () => {
  let home;
  try {
    home = await get("/api/home");
  } catch (error) {
    return say(error.message, true);
  }
  steps(home.undo, home.redo);
  const { proposed, verdict, strip, four, lines } = home, isDrawn = Boolean(proposed?.pictures.length);
  $("home-four").replaceChildren(...four.map(({ role, place, notes, picture }) => make("figure", {},
    make("a", { href: "/grid" }, make("img", { src: `/picture/${picture}/320`, alt: `${role} ${place}`, loading: "eager" })),
    make("figcaption", {}, make("b", {}, role), ...[place, ...notes].filter(Boolean).map(text => make("span", {}, text))))));
  $("home-strip").replaceChildren(...(four.length ? [] : strip).map((digest, number) => make("a", { href: isDrawn ? "/grid" : "/data", "aria-label": `${isDrawn ? proposed.place : "picture"} ${number + 1}` },
    make("img", { src: `/picture/${digest}/320`, alt: "", loading: "eager" }))));
  $("home-word").textContent = verdict?.word ?? (proposed ? "Trained" : "Nothing is trained yet");
  $("home-run").className = verdict?.kind ?? "";
  $("home-file").textContent = proposed ? `Proposed: ${proposed.file}${proposed.weight === null ? "" : ` at ${proposed.weight}`}` : "";
  $("home-sentences").replaceChildren(...(verdict?.sentences ?? []).map(text => make("li", {}, text)));
  const focused = links().indexOf(document.activeElement);
  $("home-lines").replaceChildren(...lines.map(({ kind, text, link, verb }) => make("li", { class: kind },
    make("span", {}, text[0].toUpperCase() + text.slice(1)), link && make("a", { class: "go", href: link, "aria-label": `${verb}: ${text}` }, verb))));
  if (!lines.length) $("home-lines").append(make("li", { class: "calm" }, "Nothing is waiting for you."));
  links()[focused]?.focus();
  return null;
});

const move = by => {
  const all = links(), at = all.indexOf(document.activeElement);
  all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
};
const keys = {
  j: () => move(1), k: () => move(-1), "?": () => $("keys").showModal(),
  "Ctrl+z": () => isReadOnly || step("undo", refresh), "Ctrl+Z": () => isReadOnly || step("redo", refresh),
};
addEventListener("keydown", event => {
  if (!document.querySelector("dialog[open]")) runKey(event, keys);
});

await refresh();
frame(refresh, refresh);
document.body.dataset.state = "ready";
