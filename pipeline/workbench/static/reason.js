/** Asks why: the usual reasons as buttons, or a sentence. */
import { $, asked, make } from "./dom.js";

/** The reason, or null. */
export async function reasonFor(title, reasons) {
  const field = $("reason");
  $("reason-title").textContent = title;
  field.value = "";
  $("reasons").replaceChildren(...reasons.map(reason => make("button", {
    type: "button", onclick: () => { field.value = reason; field.focus(); },
  }, reason)));
  const answer = asked($("reason-dialog"));
  field.focus();
  return (await answer) === "apply" && field.value.trim().length >= 3 ? field.value.trim() : null;
}
