/** The bar below: one action on the selected pictures, else on all shown; always shown before it is written. */
import { post, say, write } from "./api.js";
import { tagWord, complete } from "./completion.js";
import { $, asked, make, plural } from "./dom.js";
import { state } from "./state.js";

const FIELDS = {
  add: ["tag, tag"], remove: ["tag, * hair"], replace: ["tag", "instead: tag, tag"], find: ["regular expression", "instead: \\1 is a group"], reset: [],
};
const tagsOf = text => text.split(",").map(tag => tag.trim()).filter(Boolean);

/** @param {{scope: () => number[], back: () => void}} page */
export function bulkBar(page) {
  const kind = () => $("action").value;
  const follow = () => {
    const fields = FIELDS[kind()];
    [["first-field", "first"], ["second-field", "second"]].forEach(([field, input], place) => {
      $(field).hidden = fields[place] === undefined;
      $(input).placeholder = fields[place] ?? "";
    });
  };
  const word = { ...tagWord, source: async (text, signal) => (kind() === "find" ? [] : tagWord.source(text, signal)) };
  complete($("first"), word);
  complete($("second"), word);
  $("action").onchange = follow;
  follow();

  const request = numbers => {
    const isFind = kind() === "find", first = isFind ? [$("first").value].filter(Boolean) : tagsOf($("first").value);
    return {
      ids: state.ids(numbers), kind: kind(), tags: kind() === "reset" ? [] : first,
      new: kind() === "replace" ? tagsOf($("second").value) : [], text: isFind ? $("second").value : "",
    };
  };

  /** Shows what would change, and writes it after a yes. */
  async function preview(numbers = page.scope(), body = request(numbers)) {
    if (!numbers.length) return say("No picture is shown.", true);
    let seen;
    try {
      seen = await post("/api/preview", body);
    } catch (error) {
      return say(error.message, true);
    }
    if (!seen.changed) return say(`Nothing changes in ${plural(numbers.length, "picture")}.`);
    fill(seen, numbers.length, body);
    if ((await asked($("preview-dialog"))) !== "apply") return page.back();
    const rule = $("as-rule").checked && !$("rule-line").hidden ? { rule: seen.rules[0].pattern } : {};
    const said = await write("/api/edits", { ...body, ...rule }, () => state.shown.files.tag_edits, () => state.refresh());
    if (said) {
      say(`${said.said}. Ctrl+Z undoes it.`);
      $("first").value = $("second").value = "";
    }
    await state.refresh();
    page.back();
  }

  $("preview").onclick = () => preview();
  for (const name of ["first", "second"])
    $(name).addEventListener("keydown", event => {
      if (event.key === "Enter") preview();
      else if (event.key === "Escape") page.back();
    });

  return {
    preview,
    /** Adds copied tags, after a look. */
    paste: (tags, numbers) => preview(numbers, { ids: state.ids(numbers), kind: "add", tags, new: [], text: "" }),
    /** Opens the bar for an action; with a tag for removing, at once its preview. */
    start(action, tag, only) {
      $("action").value = action;
      follow();
      $("first").value = tag ?? "";
      $("second").value = "";
      if (tag && action === "remove") return preview(only === undefined ? undefined : [only]);
      $(tag ? "second" : "first").focus();
    },
    follow(selected, shown) {
      $("scope").textContent = selected ? `${plural(selected, "picture")} selected` : `all ${plural(shown, "picture")} shown`;
      $("preview").disabled = !(selected || shown);
    },
  };
}

function fill(seen, asked_, body) {
  $("preview-title").textContent = `${seen.changed.toLocaleString("en")} of ${plural(asked_, "caption")} will change`;
  const more = seen.changed - seen.pictures.length;
  $("preview-list").replaceChildren(...seen.pictures.map(changeOf),
    ...(more > 0 ? [make("p", { class: "faint" }, `and ${more.toLocaleString("en")} more`)] : []));
  const [rule] = ["add", "remove", "replace"].includes(body.kind) ? seen.rules : [];
  $("rule-line").hidden = !rule;
  $("as-rule").checked = false;
  if (rule) $("rule-text").textContent = `as a rule: one line for "${rule.pattern}", which names ${plural(rule.names, "picture")} now, and new ones later`;
}

function changeOf(change) {
  const marked = (text, words, name) => {
    const parts = text.split(/(, )/);
    return parts.map(part => (words.includes(part.trim()) ? make(name, {}, part) : part));
  };
  return make("div", { class: "change" }, make("b", {}, change.id),
    make("p", { class: "faint" }, ...(change.before ? marked(change.before, change.gone, "del") : ["empty"])),
    make("p", {}, ...(change.after ? marked(change.after, change.new, "ins") : ["empty"])),
    ...change.warnings.map(warning => make("span", { class: "note" }, warning)));
}
