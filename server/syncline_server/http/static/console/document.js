/** The data of a document. */

import { editData } from "./data-editor.js";
import { button, element } from "./elements.js";
import { JsonView } from "./json-view.js";

/** @import { Content, Context } from "./object.js" */

/** @param {Context} context @returns {Content} */
export function documentContent({ api, path, object }) {
  const view = new JsonView();
  let { data, revision } = object;
  const revisionShown = element("code", {}, revision);
  view.show(data);

  function edit() {
    editData(api, "Edit the document", { path, data, revision });
  }

  return {
    element: element(
      "section", { class: "card", "aria-label": "Data" },
      element(
        "header", { class: "head" },
        element("h2", {}, "Data"),
        element("span", { class: "soft" }, "Revision ", revisionShown),
        button("Edit", edit, { class: "primary" }),
      ),
      view.element,
    ),
    onEvent(_, changed) {
      ({ data, revision } = changed);
      revisionShown.textContent = revision;
      view.show(data);
    },
  };
}
