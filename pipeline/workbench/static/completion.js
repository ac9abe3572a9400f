/** Names below a text field. `source` finds them for the word at the caret. */
import { get } from "./api.js";
import { later, make } from "./dom.js";

const FIELDS = ["tag:", "dropped:", "caption:", "id:", "concept:", "verdict:", "check:", "tags:", "tokens:", "score:",
  "side:", "edited", "leftout", "masked", "class", "not ", "or "];
const quoted = tag => (/[\s()]/.test(tag) ? `"${tag}"` : tag);

const named = async (text, signal) =>
  (await get(`/api/complete?q=${encodeURIComponent(text)}`, signal)).names
    .map(each => ({ text: each.tag, note: each.count ? `${each.count.toLocaleString("en")} · ${each.from}` : each.from }));

/** For fields that hold tags with commas between. */
export const tagWord = {
  find: text => /[^,]*$/.exec(text)[0],
  source: async (word, signal) => (word.trim() ? named(word.trim(), signal) : []),
  put: (_, name) => ` ${name}`,
  after: ", ",
};

/** For the filter. */
export const filterWord = {
  find: text => /(?:"[^"]*"?|[^\s()"])*$/.exec(text)[0],
  source: async (word, signal) => {
    const [, field, value] = /^(-?(?:tag|dropped|score):)?"?(.*?)"?$/.exec(word);
    const fields = field || !value ? [] : FIELDS.filter(name => name.startsWith(value)).map(text => ({ text, note: "filter" }));
    const names = value ? await named(value, signal) : [];
    return [...fields, ...names.map(each => ({ ...each, text: `${field ?? (word.startsWith("-") ? "-tag:" : "tag:")}${quoted(each.text)}` }))];
  },
  put: (_, name) => name,
  after: " ",
};

/** Adds completion to an input. Arrows choose, Enter or Tab takes the chosen one, Esc closes. */
export function complete(input, kind) {
  const list = make("ul", { class: "popup", role: "listbox", id: `${input.id}-names`, hidden: true });
  let chosen = -1, shown = [], asking = null;
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-controls", list.id], ["aria-expanded", "false"]])
    input.setAttribute(name, value);
  input.after(list);
  const before = () => input.value.slice(0, input.selectionStart);
  const close = () => {
    asking?.abort();
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const mark = place => {
    chosen = (place + shown.length) % shown.length;
    [...list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === chosen)));
    list.children[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", list.children[chosen].id);
  };
  const take = place => {
    const word = kind.find(before()), name = shown[place].text, start = input.selectionStart - word.length;
    const put = (start ? kind.put(word, name) : kind.put(word, name).trimStart()) + (/[:\s]$/.test(name) ? "" : kind.after);
    input.setRangeText(put, start, input.selectionStart, "end");
    close();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const ask = later(async () => {
    asking?.abort();
    asking = new AbortController();
    shown = await kind.source(kind.find(before()), asking.signal).catch(() => []);
    if (document.activeElement !== input) return;
    list.replaceChildren(...shown.map((each, place) => make("li", {
      role: "option", id: `${list.id}-${place}`, "aria-selected": "false",
      onpointerdown: event => { event.preventDefault(); take(place); },
    }, make("span", {}, each.text), make("small", {}, each.note))));
    list.hidden = !shown.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    chosen = -1;
  }, 60);
  input.addEventListener("input", ask);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", event => {
    if (list.hidden) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") mark(chosen + (event.key === "ArrowDown" ? 1 : chosen < 0 ? 0 : -1));
    else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) take(chosen);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  });
}
