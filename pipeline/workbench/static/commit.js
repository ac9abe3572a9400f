/** Committing decisions: what changes, a message, and a second click. */
import { get, post, say } from "./api.js";
import { $, inTurn, isReadOnly, make, plural } from "./dom.js";

let shown = "";

const lineClass = line => ({ "+": "plus", "-": "minus", "@": "hunk" })[line[0]] ?? "";
const diffOf = text => make("div", { class: "diff" }, ...text.split("\n").filter(Boolean).map(line => make("span", { class: lineClass(line) }, `${line}${lineClass(line) ? "" : "\n"}`)));

export const drawCommit = inTurn(async () => {
  let found;
  try {
    found = await get("/api/decisions");
  } catch (error) {
    return $("commit-box").replaceChildren(make("p", { class: "faint" }, error.message));
  }
  if (found.seen === shown) return;
  shown = found.seen;
  const head = make("div", { class: "panel-head" }, make("h2", {}, "Decisions"), make("span", { class: "faint" }, found.files.length ? `${plural(found.number, "change")} not committed` : "all committed"));
  if (!found.files.length) return $("commit-box").replaceChildren(head);
  const list = make("ul", { id: "commit-list" }, ...found.files.map(file => make("li", {}, make("details", {}, make("summary", {}, make("b", {}, file.said), " ", make("code", { class: "faint" }, file.path)), diffOf(file.diff)))));
  $("commit-box").replaceChildren(head, list, ...(isReadOnly ? [] : form(found)));
});

function form(found) {
  const message = make("textarea", { id: "commit-message", value: found.message, "aria-label": "Commit message", maxLength: 5000 });
  const button = make("button", { id: "commit" }, "Commit these decisions…");
  let isSure = false;
  button.onclick = async () => {
    if (!isSure) {
      isSure = true;
      for (const each of document.querySelectorAll("#commit-list details")) each.open = true;
      button.textContent = `Commit ${plural(found.files.length, "file")} now`;
      button.className = "main-button";
      return;
    }
    try {
      say((await post("/api/commit", { message: message.value, seen: found.seen })).said);
    } catch (error) {
      say(error.message, true);
    }
    shown = "";
    await drawCommit();
  };
  return [message, make("p", { class: "faint" }, "Only these files: what else is staged stays staged."), button];
}
