/** The server: reads, writes by compare and swap, undo, news of changed files. */
import { $, asked, make } from "./dom.js";
import { showTop } from "./top.js";

let quiet = 0;

/** A sentence at the bottom of the page, read aloud by screen readers. */
export function say(sentence, isBad = false) {
  const line = $("said");
  line.textContent = sentence;
  line.className = isBad ? "on bad" : "on";
  clearTimeout(quiet);
  quiet = setTimeout(() => (line.className = ""), isBad ? 9000 : 3500);
}

async function answerOf(response) {
  if (response.ok) return response.json(); // an abort in the middle of the answer throws AbortError
  const said = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  throw Object.assign(new Error(said.error), { status: response.status, conflict: said.conflict });
}

function unreachable() {
  throw new Error("the workbench does not answer; start it again with `make look` and open its new address");
}

export const get = async (path, signal) =>
  answerOf(await fetch(path, { signal }).catch(error => (error.name === "AbortError" ? Promise.reject(error) : unreachable())));

export const post = async (path, body) => answerOf(await fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json", "X-Athanor": "1" }, body: JSON.stringify(body),
}).catch(unreachable));

/** Writes; `seen` returns the hash of the file that the page shows. After a conflict it asks, reads again and
 *  repeats. Returns the server's answer, or null where nothing was written. */
export async function write(path, body, seen, refresh) {
  try {
    return await post(path, { ...body, seen: seen() });
  } catch (error) {
    if (error.status !== 409) {
      say(error.message, true);
      return null;
    }
    await refresh();
    return (await wantsAgain(error)) ? write(path, body, seen, refresh) : null;
  }
}

async function wantsAgain(error) {
  const rows = Object.entries(error.conflict).map(([name, [then, now]]) =>
    make("div", { class: "change" }, make("b", {}, name),
      make("p", {}, make("del", {}, then ?? "no entry"), " → ", make("ins", {}, now ?? "no entry"))));
  const dialog = make("dialog", { "aria-labelledby": "conflict-title" },
    make("h2", { id: "conflict-title" }, "The file was changed meanwhile"),
    make("p", {}, "Another program or page has changed these entries. Your change was not written."),
    make("div", { class: "changes" }, ...rows),
    make("form", { method: "dialog", class: "buttons" },
      make("button", { value: "again", class: "main-button" }, "Write mine too"),
      make("button", { value: "", autofocus: true }, "Keep theirs")));
  document.body.append(dialog);
  const answer = await asked(dialog);
  dialog.remove();
  return answer === "again";
}

/** `undo` or `redo`. */
export async function step(kind, refresh) {
  try {
    say((await post(`/api/${kind}`, {})).said);
  } catch (error) {
    say(error.message, true);
  }
  await refresh();
}

/** The page's frame: undo, redo, the list of keys, and news. `changed` gets the names of what has changed; `ofRun`: what to
 *  do with news of the run, by name. */
export function frame(refresh, changed, ofRun) {
  $("undo").onclick = () => step("undo", refresh);
  $("redo").onclick = () => step("redo", refresh);
  $("help").onclick = () => $("keys").showModal();
  let news = null;
  const close = () => {
    news?.close();
    news = null;
  };
  const open = () => {
    if (news || document.hidden) return;
    news = new EventSource(ofRun ? "/events?run" : "/events");
    for (const [name, work] of Object.entries({ changed, top: showTop, ...ofRun })) news.addEventListener(name, event => work(JSON.parse(event.data)));
  };
  // A browser opens six connections to a server: a tab that nobody sees keeps none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return close();
    open();
    return refresh();
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

export function steps(undo, redo) {
  $("undo").disabled = !undo;
  $("redo").disabled = !redo;
}
