/** What /data shows: the columns of all pictures, which of them, and what is known of single ones. */
import { get } from "./api.js";

const MOST_KNOWN = 2000, AT_ONCE = 300;

class State extends EventTarget {
  columns = { ids: [], sha: [], original: [], picture: [], w: [], h: [], verdict: [], mask: {}, group: [], generation: "" };
  shown = { numbers: [], tags: [], numTags: 0, total: 0, files: {}, hasCaptions: true };
  edited = new Set();
  left = new Map();
  /** Reasons by number. */
  query = "";
  sort = "id";
  seed = 0;
  rows = new Map();
  asking = null;

  async readColumns() {
    this.columns = await get("/api/pictures");
    this.rows.clear();
  }

  /** Everything in its own order, before the first answer of the filter. */
  showAll() {
    this.shown = { ...this.shown, numbers: this.columns.ids.map((_, number) => number), total: this.columns.ids.length };
    this.dispatchEvent(new Event("shown"));
  }

  /** Asks the filter again; what was asked before is dropped. */
  async refresh() {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    try {
      const asked = `q=${encodeURIComponent(this.query)}&sort=${this.sort}&seed=${this.seed}`;
      const shown = await get(`/api/filter?${asked}`, asking.signal);
      if (shown.generation !== this.columns.generation) await this.readColumns();
      this.shown = shown;
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      return;
    }
    this.edited = new Set(this.shown.edited);
    this.left = new Map(Object.entries(this.shown.left).map(([number, reason]) => [Number(number), reason]));
    this.rows.clear();
    this.dispatchEvent(new Event("shown"));
    clearTimeout(this.again);
    if (this.shown.stale) this.again = setTimeout(() => this.refresh().catch(() => {}), 300);
  }

  /** All about these pictures; asked once. */
  async read(numbers) {
    const missing = numbers.filter(number => number >= 0 && !this.rows.has(number));
    if (this.rows.size > MOST_KNOWN) this.rows.clear();
    for (let start = 0; start < missing.length; start += AT_ONCE) {
      const found = await get(`/api/rows?n=${missing.slice(start, start + AT_ONCE).join(",")}`);
      for (const [number, row] of Object.entries(found)) this.rows.set(Number(number), row);
    }
    return numbers.map(number => this.rows.get(number));
  }

  /** Ids of what the numbers' pictures were cut from, each once: decisions about pictures name these. */
  pictures(numbers) {
    return [...new Set(numbers.map(number => this.columns.picture[number] ?? this.columns.ids[number]))];
  }

  ids(numbers) {
    return numbers.map(number => this.columns.ids[number]);
  }

  /** The address of a picture: `kind` is 96, 320 or full. */
  source(number, kind, isOriginal = false) {
    const column = isOriginal ? this.columns.original : this.columns.sha;
    return `/picture/${column[number]}/${kind}`;
  }
}

export const state = new State();
