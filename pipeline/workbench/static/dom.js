/** Elements without HTML text: what a stranger wrote is only ever a text node. */

export const $ = id => document.getElementById(id);
export const isReadOnly = document.body.classList.contains("read-only");

/** @param {string} name @param {Object} props `class`, `data-…` and `aria-…` are attributes, the rest properties */
export function make(name, props = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") element.className = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

export function svg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Calls `work` once, when nothing has called for `ms`. */
export function later(work, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}

/** The work with at most one call of it at a time. A call during another waits for it and does the work once more, for all that
 *  wait: an answer that is late never covers a newer one. */
export function inTurn(work) {
  let running = null, waiting = null;
  const start = () => {
    waiting = null;
    running = work().finally(() => (running = null));
    return running;
  };
  return () => (running ? (waiting ??= running.then(start, start)) : start());
}

export const plural = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

/** Whether keys belong to a field, and not to the page. */
export const isTyping = event =>
  event.target instanceof Element && event.target.closest("input:not([type=checkbox]), textarea, select") !== null;

/** Keys of the page: a map from name to function; `Ctrl+`, `Shift+` and `Alt+` in front, in this order. */
export function nameOf(event) {
  const isCommand = (event.ctrlKey || event.metaKey) && event.key.length === 1; // whatever Caps Lock says
  const letter = isCommand ? event.key[event.shiftKey ? "toUpperCase" : "toLowerCase"]() : event.key;
  const key = letter === " " ? "Space" : letter;
  const shift = event.shiftKey && key.length > 1 ? "Shift+" : "";
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift}${key}`;
}

export function runKey(event, keys) {
  const work = keys[nameOf(event)];
  if (!work) return false;
  event.preventDefault();
  work(event);
  return true;
}

/** A dialog's answer: the value of the button that closed it; "" for Esc. */
export function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise(resolve => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}
