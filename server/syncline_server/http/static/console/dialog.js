/** Dialogs: the browser keeps the focus inside, and closes them with Escape. */

import { button, element, field, fill } from "./elements.js";

/**
 * Show a dialog until it closes.
 *
 * @param {string} title
 * @param {(close: (result?: any) => void) => import("./elements.js").Content[]} content makes it;
 *   `close` ends the dialog
 * @param {string} [className]
 * @returns {Promise<any>} what `close` was called with; undefined if it was cancelled
 */
export function dialog(title, content, className = "") {
  const before = document.activeElement;
  return new Promise((resolve) => {
    /** @type {any} */
    let result;
    const made = element("dialog", { class: className, "aria-label": title });
    /** @param {any} [given] */
    const close = (given) => {
      result = given;
      made.close();
    };
    made.addEventListener("close", () => {
      made.remove();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
      resolve(result);
    });
    addEventListener("hashchange", () => close(), { once: true });
    fill(made, element("h2", {}, title), content(close));
    document.body.append(made);
    made.showModal();
  });
}

/** What can be typed as it is shown: no line breaks, no spaces that are not seen. */
const TYPEABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+(?: [\p{L}\p{M}\p{N}\p{P}\p{S}]+)*$/u;

/**
 * What has to be typed to confirm that something is deleted.
 *
 * @param {string} name
 * @param {string} sid in place of a name that nobody can type
 */
export function typeable(name, sid) {
  return TYPEABLE.test(name) ? name : sid;
}

/**
 * Ask before something that cannot be undone.
 *
 * @param {string} title
 * @param {string} text
 * @param {{ word: string, action: string }} expected `word`: what has to be typed; "" for nothing
 * @returns {Promise<boolean>}
 */
export async function confirm(title, text, { word, action }) {
  const typed = element("input", { autocomplete: "off", spellcheck: "false", autofocus: true });
  const go = element("button", { type: "submit", class: "danger", disabled: word !== "" }, action);
  typed.addEventListener("input", () => {
    go.disabled = typed.value !== word;
  });
  const agreed = await dialog(title, (close) => [
    element("p", {}, text),
    element(
      "form",
      {
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          close(true);
        },
      },
      word !== "" && field(`To confirm, type ${word}`, typed),
      element("div", { class: "actions" }, button("Cancel", () => close()), go),
    ),
  ]);
  return agreed === true;
}
