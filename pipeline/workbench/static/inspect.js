/** The picture under the cursor: itself, the whole it was cut from, its caption, and why each tag is (not) there. */
import { say, write } from "./api.js";
import { $, isReadOnly, make, plural, svg } from "./dom.js";
import { state } from "./state.js";

/** @param {{number: () => number, filter: (text: string) => void, act: (kind: string, tag: string, only?: number) => void, next: (step: number) => void, back: () => void}} page */
export function inspector(page) {
  let editing = false, drawn = -1;
  const panel = $("inspect");

  const draw = async () => {
    const number = page.number();
    if (editing && number === drawn) return;
    editing = false;
    if (number < 0) {
      drawn = -1;
      return panel.replaceChildren(make("p", { class: "faint" }, "No picture."));
    }
    const [row] = await state.read([number]);
    if (number !== page.number() || editing || !row) return;
    drawn = number;
    panel.replaceChildren(...parts(number, row));
  };

  const parts = (number, row) => [
    make("img", { class: "big", src: state.source(number, "full"), alt: row.caption ?? row.id }),
    make("h2", {}, row.id),
    make("p", { class: "faint" }, madeOf(number, row)),
    ...row.notes.map(note => make("span", { class: "note" }, `${state.columns.verdict[number]}: ${note}`)),
    row.left !== null && make("span", { class: "note bad" }, `left out: ${row.left}`),
    ...(row.caption === undefined ? [] : captionParts(row)),
    row.made && whole(number, row.made),
    make("p", { class: "links" }, make("button", { onclick: () => page.filter(`near:"${row.id}"`) }, "Pictures like it"),
      make("a", { href: `/crop?${new URLSearchParams({ at: row.picture, q: state.query })}` }, "Crop…")),
  ].filter(Boolean);

  const captionParts = row => [
    make("div", { class: "panel-line" }, make("b", {}, "Caption"), make("span", { class: row.tokens > 75 ? "note" : "faint" }, plural(row.tokens, "token"))),
    make("p", { class: "caption", title: isReadOnly ? "" : "Click or press e to write it", onclick: edit }, row.caption || "empty"),
    make("p", {}, ...row.kept.map(tag => tagOf(row, tag))),
    row.dropped.length && make("details", {}, make("summary", {}, `${plural(row.dropped.length, "tag")} dropped`),
      make("ul", { class: "lost-tags" }, ...row.dropped.map(([tag, rule, score]) => make("li", {},
        make("span", { class: "tag gone" }, tag), " ", make("small", { class: "faint" }, `${rule}${score === null ? "" : ` · ${score.toFixed(2)}`}`))))),
  ].filter(Boolean);

  const tagOf = (row, tag) => make("span", { class: row.added[tag] ? "tag hand" : "tag", title: row.added[tag] ? `added: ${row.added[tag]}` : "" },
    make("button", { title: `show pictures with ${tag}`, onclick: () => page.filter(`tag:${/[\s()]/.test(tag) ? `"${tag}"` : tag}`) }, tag),
    !isReadOnly && make("button", { "aria-label": `remove ${tag} from this picture`, title: "remove from this picture", onclick: () => page.act("remove", tag, page.number()) }, "×"));

  /** Turns the caption into a field. */
  async function edit() {
    if (isReadOnly || editing) return;
    const number = page.number(), [row] = await state.read([number]);
    if (!row || row.caption === undefined) return say("There is no caption yet; `dvc repro filter-tags` makes it.", true);
    panel.classList.add("open");
    if (drawn !== number) await draw();
    editing = true;
    const field = make("textarea", { value: row.caption, spellcheck: false, "aria-label": `caption of ${row.id}` });
    const save = async () => {
      if (!editing) return true;
      editing = false;
      if (field.value === row.caption) return true;
      const said = await write("/api/edits", { ids: [row.id], kind: "set", text: field.value }, () => state.shown.files.tag_edits, () => state.refresh());
      if (said) say(said.said);
      await state.refresh();
      return said !== null;
    };
    field.onkeydown = async event => {
      const moves = event.key === "Tab" ? (event.shiftKey ? -1 : 1) : 0;
      if (!moves && event.key !== "Escape" && !(event.key === "Enter" && !event.shiftKey)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Escape") editing = false;
      else if (!(await save())) return;
      if (moves) {
        page.next(moves);
        return edit();
      }
      drawn = -1;
      await draw();
      page.back();
    };
    field.onblur = async () => {
      if (!editing) return; // saved already, and perhaps another one is open
      await save();
      if (editing) return;
      drawn = -1;
      draw();
    };
    panel.querySelector(".caption").replaceWith(field);
    field.focus();
  }

  return { draw, edit };
}

function madeOf(number, { made }) {
  const { w, h, verdict } = state.columns, facts = [`${w[number]}×${h[number]}`];
  if (made) {
    const [[width, height], [, , boxWidth, boxHeight], scale, isMirrored] = made;
    facts.push(`cut ${boxWidth}×${boxHeight} of ${width}×${height}`);
    if (scale > 1) facts.push(`enlarged ${scale.toFixed(2)} times`);
    if (isMirrored) facts.push("mirrored");
  }
  return [...facts, verdict[number] === "ok" ? null : verdict[number]].filter(Boolean).join(" · ");
}

/** The whole picture with the cut part bright. */
function whole(number, [[width, height], [x, y, w, h]]) {
  if (w === width && h === height) return null;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none" });
  drawing.append(svg("path", { d: `M0 0H${width}V${height}H0ZM${x} ${y}V${y + h}H${x + w}V${y}Z` }),
    svg("rect", { x, y, width: w, height: h }));
  return make("div", {}, make("b", {}, "Cut from"), make("div", { class: "whole" },
    make("img", { src: state.source(number, "320", true), alt: "the whole picture with the cut part bright" }), drawing));
}
