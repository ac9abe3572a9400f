/** What the merge stage takes: this place, or what the votes prefer, written into params.yaml. */
import { say, write } from "./api.js";
import { $, asked, isReadOnly } from "./dom.js";

/** @param {{number: () => number, grid: () => Object, refresh: () => Promise, back: () => void}} page */
export function bakePanel(page) {
  const draw = () => {
    const { epoch, alpha, recipe, wrong } = page.grid().merge;
    $("bake-now").textContent = wrong ? `params.yaml: ${wrong}` : epoch === null || epoch === undefined ? "" : recipe ? `The recipe ${recipe} decides what is merged.` : `Merged: epoch ${epoch} at ${alpha}.`;
    $("bake").disabled = Boolean(wrong);
  };
  async function open() {
    const { places, merge, standing } = page.grid(), place = places[page.number()];
    if (isReadOnly || !place || merge.wrong) return;
    $("bake-place").textContent = place.label;
    $("bake-place").disabled = !place.canBake;
    $("bake-place-said").textContent = place.canBake ? "the place that is shown" : "cannot be named by merge.epoch: only a network of this training on its own base can";
    $("bake-voted").disabled = !standing;
    $("bake-voted-said").textContent = standing ? `${standing}.` : "no votes on this grid yet";
    const chosen = await asked($("bake-dialog"));
    if (chosen) {
      const said = await write("/api/bake", { place: chosen === "voted" ? null : page.number() }, () => page.grid().merge.sha256, page.refresh);
      if (said) say(`${said.said}. Run merges it.`);
      await page.refresh();
    }
    page.back();
  }
  $("bake").onclick = open;
  return { draw, open };
}
