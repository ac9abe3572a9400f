/** The tag panel: tags of the shown pictures; a click filters. */
import { $, isReadOnly, make } from "./dom.js";
import { get } from "./api.js";
import { state } from "./state.js";

const MOST_SHOWN = 200, ALMOST = 0.8;
const quoted = tag => (/[\s()]/.test(tag) ? `"${tag}"` : tag);
const ORDERS = {
  count: () => 0,
  name: (one, other) => one[0].localeCompare(other[0]),
  missing: (one, other) => other[1] / (other[1] < state.shown.numbers.length || 1e9) - one[1] / (one[1] < state.shown.numbers.length || 1e9),
};

/** @param {{filter: (text: string) => void, select: (numbers: number[]) => void, act: (kind: string, tag: string) => void}} page */
export function tagPanel(page) {
  let order = "count";
  const wordOf = (tag, kept) => `${kept ? "tag" : "dropped"}:${quoted(tag)}`; // a tag that no caption keeps is found where it was lost
  const term = (tag, kept, isOut) => {
    const word = wordOf(tag, kept), words = state.query.trim();
    const without = words.split(/\s+(?=(?:[^"]*"[^"]*")*[^"]*$)/).filter(each => each !== word && each !== `-${word}`);
    const had = words.includes(isOut ? `-${word}` : word);
    page.filter([...without, ...(had ? [] : [isOut ? `-${word}` : word])].join(" ").trim());
  };
  const selectMissing = async tag => {
    const query = `(${state.query || "*"}) -tag:${quoted(tag)}`.replace("(*) ", "");
    page.select((await get(`/api/filter?q=${encodeURIComponent(query)}`)).numbers);
  };
  const keys = (event, tag) => {
    if (isReadOnly) return;
    if (event.key === "x" || event.key === "F2") {
      page.act(event.key === "x" ? "remove" : "replace", tag);
      event.preventDefault();
      event.stopPropagation();
    }
  };
  const row = ([tag, kept, dropped]) => {
    const missing = state.shown.numbers.length - kept, isAlmost = missing > 0 && kept >= ALMOST * state.shown.numbers.length && kept > 1;
    const isOn = state.query.includes(wordOf(tag, kept));
    return make("li", { class: isOn ? "on" : "" },
      make("button", {
        class: "name", title: `${tag}: click shows only these, Alt+click hides them`, "aria-pressed": String(isOn),
        onclick: event => term(tag, kept, event.altKey), onkeydown: event => keys(event, tag),
      }, tag),
      isAlmost && make("button", { class: "missing", title: `in ${kept} of ${state.shown.numbers.length} shown; select the others`, onclick: () => selectMissing(tag) }, `−${missing}`),
      make("span", { class: "number" }, kept ? String(kept) : "", kept && dropped ? " " : "",
        dropped ? make("span", { class: "lost", title: `dropped in ${dropped}` }, String(dropped)) : ""),
      !isReadOnly && kept > 0 && make("button", { class: "cut", title: `Remove ${tag}… (x)`, "aria-label": `remove ${tag}`, tabIndex: -1, onclick: () => page.act("remove", tag) }, "×"));
  };
  const draw = () => {
    const tags = [...state.shown.tags].sort(ORDERS[order]), shown = tags.slice(0, MOST_SHOWN);
    const focused = document.activeElement?.closest?.("#tag-list") ? document.activeElement.textContent : null;
    $("tag-list").replaceChildren(...shown.map(row));
    if (focused !== null) [...$("tag-list").querySelectorAll(".name")].find(each => each.textContent === focused)?.focus();
    const rest = state.shown.numTags - shown.length;
    $("tag-more").textContent = rest > 0 ? `and ${rest.toLocaleString("en")} rarer` : state.shown.hasCaptions ? "" : "No tags yet: `dvc repro filter-tags` makes them.";
  };
  $("tag-sort").onchange = event => {
    order = event.target.value;
    draw();
  };
  $("tag-list").addEventListener("keydown", event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], names = [...$("tag-list").querySelectorAll(".name")];
    if (!step || !names.includes(document.activeElement)) return;
    names[names.indexOf(document.activeElement) + step]?.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  state.addEventListener("shown", draw);
}
