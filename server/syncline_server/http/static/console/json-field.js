/** A field for a JSON object, which says where the text is wrong. */

import { element, field } from "./elements.js";

/**
 * @param {object} value what it begins with
 * @param {string} [label]
 */
export function jsonField(value, label = "Data (a JSON object)") {
  const problem = element("span", { class: "problem", role: "alert" });
  const text = element("textarea", { rows: "10", spellcheck: "false", autocapitalize: "off" });
  text.value = JSON.stringify(value, null, 2);
  return {
    element: element("div", {}, field(label, text), problem),
    text,
    /** @returns {object | null} null if the text is no JSON object, which the field then says */
    read() {
      problem.textContent = "";
      try {
        const parsed = JSON.parse(text.value);
        if (parsed !== null && typeof parsed === "object" && !Array.isArray(parsed)) return parsed;
        problem.textContent = "It must be a JSON object, in braces.";
      } catch (error) {
        problem.textContent = `No JSON: ${error instanceof Error ? error.message : error}`;
      }
      text.focus();
      return null;
    },
  };
}
