/** The document `demo_counter`: a number that many windows add to at once. */

import { element } from "./elements.js";
import { keepOpen } from "./keep-open.js";

const NAME = "demo_counter";

export class Counter {
  #journal;
  #report;
  /** @type {import("/syncline.js").SyncDocument | null} */
  #document = null;
  #wanted = 0;
  #done = 0;
  #added = 0;
  #attempts = 0;

  /**
   * @param {import("./journal.js").Journal} journal
   * @param {(error: Error) => void} report takes a write that failed
   */
  constructor(journal, report) {
    this.#journal = journal;
    this.#report = report;
    for (const button of document.querySelectorAll("button[data-times]")) {
      button.addEventListener("click", () => this.#add(Number(button.dataset.times)));
    }
    element("reset").addEventListener("click", () => {
      this.#document?.set({ count: 0 }).catch(this.#report);
    });
  }

  /** @param {import("/syncline.js").Client} client */
  keepOpen(client) {
    this.#document = null;
    const open = () => client.document({ id: NAME, data: { count: 0 } });
    return keepOpen(client, open, {
      opened: (handle) => this.#opened(handle),
      updated: (event) => this.#updated(event),
      removed: (event) => this.#removed(event),
    });
  }

  #opened(handle) {
    this.#document = handle;
    this.#show();
  }

  #updated({ data, updatedBy, isLocal }) {
    this.#journal.add(NAME, updatedBy, [`count ${data.count}`], isLocal);
    this.#show();
  }

  #removed({ removedBy, expired, isLocal }) {
    this.#journal.add(NAME, removedBy, [expired ? "expired" : "removed it"], isLocal);
    this.#document = null;
  }

  /** Add so many ones, each by a write of its own; more may be asked for meanwhile. */
  async #add(times) {
    this.#wanted += times;
    if (this.#wanted > times) return;
    const started = performance.now();
    try {
      for (; this.#document !== null && this.#done < this.#wanted; this.#done += 1) {
        await this.#addOne(this.#document);
        this.#showProgress(started);
      }
    } catch (error) {
      // Without a document it is no failure: it is removed, or another client opens it.
      if (this.#document !== null) this.#report(error);
    } finally {
      this.#wanted = 0;
      this.#done = 0;
    }
  }

  async #addOne(handle) {
    await handle.mutate((data) => {
      this.#attempts += 1;
      return { ...data, count: (data.count ?? 0) + 1 };
    });
    this.#added += 1;
  }

  #showProgress(started) {
    const seconds = (performance.now() - started) / 1_000;
    element("progress").value = (this.#done + 1) / this.#wanted;
    element("added").textContent = String(this.#added);
    element("attempts").textContent = String(this.#attempts);
    element("conflicts").textContent = String(this.#attempts - this.#added);
    element("rate").textContent = String(Math.round((this.#done + 1) / seconds));
  }

  #show() {
    element("count").textContent = String(this.#document?.data.count ?? 0);
  }
}
