/** What lies over a picture in the grid: the box that is cut from an original, or a crop's mask. */
import { make, svg } from "./dom.js";

/** @param {Element} place the picture's frame @param {string} view crop, original or mask @param {?string} mask of the
 *  picture @param {?Array} made the whole picture's width and height, the box */
export function drawOverlay(place, view, mask, made) {
  const name = view === "mask" ? `mask ${mask ?? ""}` : view === "original" && made ? `box ${made.slice(0, 2)}` : "";
  if ((place.overlay ?? "") === name) return;
  place.overlay = name;
  while (place.children.length > 1) place.lastChild.remove();
  if (name.startsWith("box")) place.append(boxOf(made));
  else if (name) place.append(mask ? make("img", { class: "mask", src: `/picture/${mask}/320`, alt: "", draggable: false }) : make("span", { class: "maskless" }, "no mask"));
}

function boxOf([[width, height], [x, y, w, h]]) {
  const drawing = svg("svg", { class: "box", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  drawing.append(svg("path", { d: `M0 0H${width}V${height}H0ZM${x} ${y}V${y + h}H${x + w}V${y}Z` }), svg("rect", { x, y, width: w, height: h }));
  return drawing;
}
