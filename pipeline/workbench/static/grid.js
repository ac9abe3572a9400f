/** <a-picture-grid>: thousands of pictures, of which only the visible rows are in the document. */
import { later, make } from "./dom.js";

const SIZES = [96, 144, 208, 320, 512], PAD = 4, LINE = 18, WORDS = 45, AROUND = 1;

class PictureGrid extends HTMLElement {
  constructor() {
    super();
    this.numbers = [];
    this.selected = new Set();
    this.at = -1; // place in `numbers`
    this.anchor = -1;
    this.cells = new Map();
    this.pool = [];
    this.size = 2;
    this.hasWords = false;
    /** Set by the page. `draw(cell, number)` fills a cell; the others hear of changes. */
    this.draw = () => {};
    this.visible = () => {};
    this.chosen = () => {};
    this.moved = () => {};
    this.opened = () => {};
  }

  connectedCallback() {
    this.sheet = make("div", { class: "sheet", role: "presentation" });
    this.append(this.sheet);
    this.noteVisible = later(() => this.visible([...this.cells.keys()].map(place => this.numbers[place])), 30);
    this.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.layout()).observe(this);
    this.addEventListener("pointerdown", event => this.press(event));
    this.addEventListener("dblclick", event => this.placeOf(event) >= 0 && this.opened());
  }

  get number() {
    return this.numbers[this.at] ?? -1;
  }

  /** Shows these pictures; the cursor stays on its picture where it can. */
  show(numbers) {
    const at = this.number, top = this.scrollTop;
    const isSame = numbers.length === this.numbers.length && numbers.every((number, place) => number === this.numbers[place]);
    this.numbers = numbers;
    if (isSame) return this.redraw();
    const there = new Set(numbers);
    for (const number of this.selected) if (!there.has(number)) this.selected.delete(number);
    const place = numbers.indexOf(at);
    this.at = place >= 0 ? place : Math.min(Math.max(this.at, 0), numbers.length - 1);
    this.anchor = this.at;
    this.layout();
    this.scrollTop = top;
    this.redraw();
    this.moved();
    this.chosen();
  }

  get px() {
    return SIZES[this.size];
  }

  resize(step) {
    this.size = Math.min(Math.max(this.size + step, 0), SIZES.length - 1);
    this.layout();
    this.reveal();
  }

  layout() {
    const room = this.clientWidth - 2 * PAD;
    if (room <= 0) return;
    this.columns = Math.max(1, Math.round(room / (this.px + 2 * PAD)));
    this.cellWidth = Math.floor(room / this.columns);
    this.frameHeight = this.cellWidth - 2 * PAD;
    this.rowHeight = this.frameHeight + LINE + 2 * PAD + (this.hasWords ? WORDS : 0);
    this.sheet.style.height = `${Math.ceil(this.numbers.length / this.columns) * this.rowHeight + 2 * PAD}px`;
    for (const cell of this.cells.values()) this.release(cell);
    this.cells.clear();
    this.paint();
  }

  schedule() {
    if (this.isScheduled) return;
    this.isScheduled = true;
    requestAnimationFrame(() => {
      this.isScheduled = false;
      this.paint();
    });
  }

  release(cell) {
    cell.hidden = true;
    cell.removeAttribute("id"); // an id names one cell
    this.pool.push(cell);
  }

  paint() {
    if (!this.columns) return;
    const first = Math.max(0, (Math.floor(this.scrollTop / this.rowHeight) - AROUND) * this.columns);
    const rows = Math.ceil(this.clientHeight / this.rowHeight) + 1 + 2 * AROUND;
    const end = Math.min(this.numbers.length, first + rows * this.columns);
    for (const [place, cell] of this.cells) {
      if (place >= first && place < end) continue;
      this.release(cell);
      this.cells.delete(place);
    }
    for (let place = first; place < end; place++) if (!this.cells.has(place)) this.place(place);
    while (this.pool.length > 60) this.pool.pop().remove();
    this.noteVisible();
  }

  place(place) {
    const cell = this.pool.pop() ?? this.sheet.appendChild(make("div", { class: "cell", role: "option" },
      make("span", { class: "frame" }, make("img", { alt: "", draggable: false, decoding: "async" })),
      make("span", { class: "line" })));
    const column = place % this.columns, row = Math.floor(place / this.columns);
    cell.hidden = false;
    cell.id = `cell-${place}`;
    cell.place = place;
    cell.style.width = `${this.cellWidth}px`;
    cell.style.height = `${this.rowHeight}px`;
    cell.style.transform = `translate(${PAD + column * this.cellWidth}px, ${PAD + row * this.rowHeight}px)`;
    cell.firstChild.style.height = `${this.frameHeight}px`;
    cell.setAttribute("aria-posinset", place + 1);
    cell.setAttribute("aria-setsize", this.numbers.length);
    this.cells.set(place, cell);
    this.fill(cell);
  }

  fill(cell) {
    const number = this.numbers[cell.place];
    cell.setAttribute("aria-selected", String(this.selected.has(number)));
    cell.classList.toggle("at", cell.place === this.at);
    this.draw(cell, number);
  }

  redraw() {
    for (const cell of this.cells.values()) this.fill(cell);
    if (this.at >= 0) this.setAttribute("aria-activedescendant", `cell-${this.at}`);
  }

  reveal() {
    if (this.at < 0 || !this.columns) return;
    const top = Math.floor(this.at / this.columns) * this.rowHeight;
    if (top < this.scrollTop) this.scrollTop = top;
    else if (top + this.rowHeight > this.scrollTop + this.clientHeight) this.scrollTop = top + this.rowHeight - this.clientHeight + 2 * PAD;
    this.paint();
  }

  /** Moves the cursor; `extend`: selects from the anchor to it. */
  go(place, extend = false) {
    if (!this.numbers.length) return;
    this.at = Math.min(Math.max(place, 0), this.numbers.length - 1);
    if (extend) this.selectRange(this.anchor < 0 ? this.at : this.anchor, this.at);
    else this.anchor = this.at;
    this.reveal();
    this.redraw();
    this.moved();
  }

  step(columns, rows, extend) {
    const to = this.at + columns + rows * this.columns;
    this.go(rows && (to < 0 || to >= this.numbers.length) ? this.at : to, extend);
  }

  pageRows() {
    return Math.max(1, Math.floor(this.clientHeight / this.rowHeight));
  }

  selectRange(from, to) {
    const [first, last] = from < to ? [from, to] : [to, from];
    this.select(new Set(this.numbers.slice(first, last + 1)));
  }

  select(numbers) {
    this.selected = new Set(numbers);
    this.redraw();
    this.chosen();
  }

  toggle(number = this.number) {
    if (number < 0) return;
    if (!this.selected.delete(number)) this.selected.add(number);
    this.redraw();
    this.chosen();
  }

  invert() {
    this.select(this.numbers.filter(number => !this.selected.has(number)));
  }

  placeOf(event) {
    return event.target.closest?.(".cell")?.place ?? -1;
  }

  press(event) {
    if (event.button || event.offsetX > this.clientWidth) return;
    this.focus({ preventScroll: true });
    const place = this.placeOf(event), start = this.point(event), before = new Set(this.selected), keeps = event.ctrlKey || event.metaKey;
    let box = null;
    const move = each => {
      const now = this.point(each);
      if (!box && Math.hypot(now.x - start.x, now.y - start.y) < 8) return;
      box ??= this.sheet.appendChild(make("div", { class: "lasso" }));
      const [x, y] = [Math.min(start.x, now.x), Math.min(start.y, now.y)], [w, h] = [Math.abs(now.x - start.x), Math.abs(now.y - start.y)];
      Object.assign(box.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
      this.select([...(keeps ? before : []), ...this.within(x, y, x + w, y + h)]);
    };
    const ended = new AbortController(), until = { signal: ended.signal };
    const up = () => {
      ended.abort();
      if (box) box.remove();
      else this.click(place, event.shiftKey, keeps);
    };
    if (event.pointerType !== "touch") addEventListener("pointermove", move, until);
    addEventListener("pointerup", up, until);
    addEventListener("pointercancel", () => ended.abort(), until); // a finger scrolls
  }

  click(place, extends_, keeps) {
    if (place < 0) return keeps ? null : this.select([]);
    if (extends_) return this.go(place, true);
    this.go(place);
    if (keeps) this.toggle();
    else this.select([this.numbers[place]]);
  }

  point(event) {
    const box = this.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top + this.scrollTop };
  }

  within(left, top, right, bottom) {
    const found = [], at = value => Math.floor((value - PAD) / this.cellWidth);
    const firstRow = Math.max(0, Math.floor((top - PAD) / this.rowHeight)), lastRow = Math.floor((bottom - PAD) / this.rowHeight);
    for (let row = firstRow; row <= lastRow; row++)
      for (let column = Math.max(0, at(left)); column <= Math.min(this.columns - 1, at(right)); column++) {
        const number = this.numbers[row * this.columns + column];
        if (number !== undefined) found.push(number);
      }
    return found;
  }
}

customElements.define("a-picture-grid", PictureGrid);
