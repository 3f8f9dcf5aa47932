/** The document `demo_counter`: a number that many windows add to at once. */

import { keepOpen } from "./keep-open.js";

const NAME = "demo_counter";

export class Counter {
  #pane;
  #find;
  /** @type {import("/syncline.js").SyncDocument | null} */
  #document = null;
  #wanted = 0;
  #done = 0;
  #added = 0;
  #attempts = 0;
  #resets = 0;

  /** @param {import("./pane.js").PaneContext} pane */
  constructor(pane) {
    this.#pane = pane;
    this.#find = pane.find;
    for (const button of pane.find("counter").querySelectorAll("button[data-times]")) {
      button.addEventListener("click", () => this.#add(Number(button.dataset.times)));
    }
    pane.find("reset").addEventListener("click", () => this.#reset());
  }

  /** Writes that wait for their replies, or for their turn. */
  get waiting() {
    return this.#resets + this.#wanted - this.#done;
  }

  /** The number as this pane shows it. */
  get count() {
    return this.#find("count").textContent;
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

  #updated({ data, updatedBy: who, isLocal, revision, dateUpdated: date }) {
    this.#pane.record(NAME, [`count ${data.count}`], { who, isLocal, revision, date });
    this.#show();
  }

  #removed({ removedBy, expired, isLocal, dateRemoved: date }) {
    const event = { who: removedBy, isLocal, revision: null, date };
    this.#pane.record(NAME, [expired ? "expired" : "removed it"], event);
    this.#document = null;
  }

  /** Add so many ones, each by a write of its own; more may be asked for meanwhile. */
  async #add(times) {
    this.#wanted += times;
    this.#showWaiting();
    if (this.#wanted > times) return;
    const started = performance.now();
    try {
      for (; this.#document !== null && this.#done < this.#wanted; this.#done += 1) {
        await this.#addOne(this.#document);
        this.#showProgress(started);
      }
    } catch (error) {
      // Without a document it is no failure: it is removed, or another client opens it.
      if (this.#document !== null) this.#pane.report(error);
    } finally {
      this.#wanted = 0;
      this.#done = 0;
      this.#showWaiting();
    }
  }

  async #reset() {
    if (this.#document === null) return;
    this.#resets += 1;
    this.#showWaiting();
    await this.#document.set({ count: 0 }).catch(this.#pane.report);
    this.#resets -= 1;
    this.#showWaiting();
  }

  async #addOne(handle) {
    let start = 0;
    await handle.mutate((data) => {
      start = performance.now();
      this.#attempts += 1;
      return { ...data, count: (data.count ?? 0) + 1 };
    });
    // No event comes between the reply and this line.
    this.#pane.sent(handle.revision, start);
    this.#added += 1;
  }

  #showProgress(started) {
    const seconds = (performance.now() - started) / 1_000;
    this.#find("progress").value = (this.#done + 1) / this.#wanted;
    this.#find("added").textContent = String(this.#added);
    this.#find("attempts").textContent = String(this.#attempts);
    this.#find("conflicts").textContent = String(this.#attempts - this.#added);
    this.#find("rate").textContent = String(Math.round((this.#done + 1) / seconds));
    const left = this.#wanted - this.#done - 1;
    this.#find("count-waiting").textContent = left > 0 ? `+${left} to come` : "";
  }

  #show() {
    this.#find("count").textContent = String(this.#document?.data.count ?? 0);
    this.#pane.changed();
  }

  #showWaiting() {
    const left = this.#wanted - this.#done;
    this.#find("count-waiting").textContent = left > 0 ? `+${left} to come` : "";
    this.#pane.changed();
  }
}
