/** The list of the last events. */

import { make, person } from "./elements.js";

/** Entries that are shown. */
const LIMIT = 30;

/** Milliseconds within which events of one writer on one document or item share an entry. */
const ONE_GO = 1_500;

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** The newest entry comes first. */
export class Journal {
  #list;
  #last = { key: "", at: 0, times: 0 };

  /** @param {HTMLElement} list */
  constructor(list) {
    this.#list = list;
  }

  /**
   * @param {string} name of the document, or of the map and the key of the item
   * @param {string | null} who
   * @param {(string | Node)[]} what happened to it
   * @param {boolean} isLocal true if this window did it
   */
  add(name, who, what, isLocal) {
    const key = JSON.stringify([name, who, isLocal]);
    const continues = key === this.#last.key && Date.now() - this.#last.at < ONE_GO;
    const times = continues ? this.#last.times + 1 : 1;
    this.#last = { key, at: Date.now(), times };
    if (continues) this.#list.firstElementChild?.remove();
    const count = times > 1 ? [make("small", "", ` ×${times}`)] : [];
    this.#list.prepend(entry(name, who, [...what, ...count], isLocal));
    while (this.#list.childElementCount > LIMIT) this.#list.lastElementChild?.remove();
  }
}

function entry(name, who, what, isLocal) {
  return make(
    "li",
    isLocal ? "local" : "",
    make("time", "", CLOCK.format(new Date())),
    make("p", "", person(who), " ", ...what),
    make("code", "", name),
  );
}
