/** Edits of data that check the revision: nobody's change is overwritten unseen. */

import { dialog } from "./dialog.js";
import { button, element, fill } from "./elements.js";
import { ApiError } from "./api.js";
import { jsonField } from "./json-field.js";
import { notify } from "./notices.js";

/** @import { Api } from "./api.js" */

/** @param {unknown} data @returns {boolean} whether it has integers that the browser has rounded */
function hasRounded(data) {
  if (typeof data === "number") return Number.isInteger(data) && !Number.isSafeInteger(data);
  return typeof data === "object" && data !== null && Object.values(data).some(hasRounded);
}

/** The status of a refused `If-Match`. */
const PRECONDITION_FAILED = 412;

/**
 * Edit data until it is saved or the dialog is closed.
 *
 * @param {Api} api
 * @param {string} title
 * @param {{ path: string, data: object, revision: string }} edited `revision`: that of `data`
 */
export function editData(api, title, { path, data, revision }) {
  const mine = jsonField(data, "Mine");
  const conflict = element("div", { role: "alert" });
  const save = element("button", { type: "submit", class: "primary" }, "Save");

  /** @param {any} newest as somebody else has written it meanwhile */
  function showConflict(newest) {
    revision = newest.revision;
    save.textContent = "Save mine over theirs";
    const theirs = JSON.stringify(newest.data, null, 2);
    fill(
      conflict,
      element("h3", {}, `Theirs, by ${newest.updated_by}`),
      element("p", { class: "problem" }, "It was changed while you edited. Nothing of yours is saved so far."),
      element("pre", { class: "json", tabindex: "0", "aria-label": "Theirs" }, theirs),
      button("Take theirs into the editor", () => {
        mine.text.value = theirs;
        mine.text.focus();
      }),
    );
  }

  return dialog(title, (close) => [
    element(
      "form",
      {
        onsubmit: async (/** @type {Event} */ event) => {
          event.preventDefault();
          const given = mine.read();
          if (given === null) return;
          try {
            await api.post(path, { Data: given }, { revision });
            notify("Saved.");
            close();
          } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            const newest = error.details?.document ?? error.details?.item;
            if (error.status === PRECONDITION_FAILED && newest) showConflict(newest);
            else notify(error.message, "failed");
          }
        },
      },
      hasRounded(data) && element(
        "p", { class: "problem" },
        "It has integers beyond 2^53, which browsers round: to save here would store the rounded ones.",
      ),
      conflict,
      mine.element,
      element("div", { class: "actions" }, button("Cancel", () => close()), save),
    ),
  ], "wide");
}
