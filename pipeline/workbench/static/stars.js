/** Stars and a note for one place of the grid. */
import { say, write } from "./api.js";
import { $, isReadOnly } from "./dom.js";

export const starsOf = place => place?.stars ?? 0;

/** @param {{place: () => Object, seen: () => string, refresh: () => Promise, back: () => void}} page */
export function markPanel(page) {
  let drawn = "";
  const buttons = document.querySelectorAll("#mark [data-stars]");
  const close = () => {
    $("note-form").hidden = true;
    $("mark-note").hidden = $("note-write").hidden = false;
  };
  const draw = () => {
    const place = page.place(), stars = starsOf(place);
    $("mark-place").textContent = place.label;
    for (const button of buttons) {
      const isLit = Number(button.dataset.stars) <= stars;
      button.classList.toggle("lit", isLit);
      button.textContent = isLit ? "★" : "☆";
      button.setAttribute("aria-pressed", String(Number(button.dataset.stars) === stars));
    }
    $("mark-note").textContent = place.note ?? "";
    if (place.label !== drawn) close(); // news of a file must not close a note that is being written
    drawn = place.label;
  };

  async function save(stars, note) {
    const { label } = page.place();
    const said = await write("/api/mark", { place: label, stars, note }, page.seen, page.refresh);
    if (said) say(said.said);
    await page.refresh();
  }

  /** The same number of stars again takes them away. */
  const rate = stars => {
    const place = page.place();
    if (!isReadOnly && place) save(stars === starsOf(place) ? 0 : stars, place.note ?? "");
  };
  const open = () => {
    const place = page.place();
    if (isReadOnly || !place) return;
    $("note-form").hidden = false;
    $("mark-note").hidden = $("note-write").hidden = true;
    $("note").value = place.note ?? "";
    $("note").focus();
  };
  $("note").addEventListener("keydown", event => {
    if (event.key !== "Escape" && (event.key !== "Enter" || event.shiftKey)) return;
    event.preventDefault();
    event.stopPropagation();
    close();
    if (event.key === "Enter") save(starsOf(page.place()), $("note").value);
    page.back();
  });
  $("note-form").addEventListener("submit", event => event.preventDefault());
  $("note-write").onclick = open;
  for (const button of buttons) button.onclick = () => rate(Number(button.dataset.stars));
  return { draw, rate, write: open };
}
