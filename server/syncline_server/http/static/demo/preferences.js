/** The document `user_prefs`: four colours, and what the page shows of them. */

import { DEFAULT, KEYS, PALETTES, inkOn, toHex } from "./colours.js";
import { dot, element, fromNow, make, person } from "./elements.js";
import { keepOpen } from "./keep-open.js";

const NAME = "user_prefs";

/** Buttons that need the document. */
const WRITERS = ["expire", "keep", "remove"];

/** Elements that show its state in words. */
const SHOWN = ["json", "writer", "written", "revision", "expires"];

/** Seconds. */
const SOON = 5;

export class Preferences {
  #journal;
  #report;
  /** @type {import("/syncline.js").SyncDocument | null} */
  #document = null;
  /** Colours that were chosen here and are not written yet. */
  #chosen = {};
  #isWriting = false;
  #inputs = KEYS.map((key) => document.querySelector(`input[name=${key}]`));

  /**
   * @param {import("./journal.js").Journal} journal
   * @param {(error: Error) => void} report takes a write that failed
   */
  constructor(journal, report) {
    this.#journal = journal;
    this.#report = report;
    for (const input of this.#inputs) {
      input.addEventListener("input", () => this.#choose({ [input.name]: input.value }));
    }
    for (const [name, colours] of Object.entries(PALETTES)) this.#offer(name, colours);
    this.#onClick("expire", (handle) => handle.setTtl(SOON));
    this.#onClick("keep", (handle) => handle.setTtl(0));
    this.#onClick("remove", (handle) => handle.removeDocument());
  }

  /** @param {import("/syncline.js").Client} client */
  keepOpen(client) {
    this.#document = null;
    return keepOpen(client, () => client.document({ id: NAME, data: DEFAULT }), {
      opened: (handle) => this.#opened(handle),
      updated: (event) => this.#updated(event),
      removed: (event) => this.#removed(event),
    });
  }

  /** Bring what depends on the time up to date. */
  tick() {
    const handle = this.#document;
    if (handle === null) return;
    const expires = handle.dateExpires === null ? null : new Date(handle.dateExpires);
    element("written").textContent = fromNow(handle.dateUpdated);
    element("expires").textContent = expires === null ? "never" : fromNow(expires);
    element("expire").hidden = expires !== null;
    element("keep").hidden = expires === null;
  }

  #opened(handle) {
    this.#document = handle;
    this.#setState("open", "");
    this.#show();
    void this.#write();
  }

  #updated(event) {
    const { data, previousData, updatedBy, isLocal } = event;
    const changed = KEYS.filter((key) => data[key] !== previousData[key]);
    const what = changed.length > 0 ? describeColours(changed, data) : [describeExpiry(event)];
    this.#journal.add(NAME, updatedBy, what, isLocal);
    this.#show();
    for (const input of this.#inputs) if (changed.includes(input.name)) flash(input);
  }

  #removed({ removedBy, expired, isLocal }) {
    this.#journal.add(NAME, removedBy, [expired ? "expired" : "removed it"], isLocal);
    this.#document = null;
    this.#chosen = {};
    const remover = removedBy === null ? "" : ` by ${removedBy}`;
    this.#setState("removed", `${expired ? "Expired" : `Removed${remover}`}. Back in a moment…`);
    for (const id of SHOWN) element(id).textContent = "–";
  }

  /**
   * @param {"open" | "removed"} state
   * @param {string} text for screen readers, where the page does not show it
   */
  #setState(state, text) {
    element("stage").dataset.state = state;
    element("removed").textContent = text;
    for (const id of WRITERS) element(id).disabled = state === "removed";
  }

  #show() {
    const handle = this.#document;
    if (handle === null) return;
    const data = { ...handle.data, ...this.#chosen };
    const colours = Object.fromEntries(KEYS.map((key) => [key, toHex(data[key], key)]));
    this.#paint(colours);
    element("json").replaceChildren(...describeJson(handle.data));
    element("revision").textContent = handle.revision;
    element("writer").replaceChildren(person(handle.updatedBy ?? handle.createdBy));
    this.tick();
  }

  #paint(colours) {
    const { style } = element("stage");
    for (const [key, colour] of Object.entries(colours)) style.setProperty(`--${key}`, colour);
    style.setProperty("--on-accent", inkOn(colours.accent));
    for (const input of this.#inputs) {
      input.value = colours[input.name];
      swatchOf(input).querySelector("code").textContent = colours[input.name];
    }
  }

  /** Show a choice at once, and write it. */
  #choose(colours) {
    Object.assign(this.#chosen, colours);
    this.#show();
    void this.#write();
  }

  /** One write at a time, each with the newest choice: a picker moves faster than a network. */
  async #write() {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#document !== null && Object.keys(this.#chosen).length > 0) {
        const written = { ...this.#chosen };
        await this.#document.update(written);
        for (const key of KEYS) if (this.#chosen[key] === written[key]) delete this.#chosen[key];
      }
    } catch (error) {
      // Without a document it is no failure: the removal event follows, or the next client writes it.
      if (this.#document === null) return;
      this.#chosen = {};
      this.#report(error);
    } finally {
      this.#isWriting = false;
      this.#show();
    }
  }

  #offer(name, colours) {
    const dots = make("span", "dots", ...KEYS.map((key) => dot(colours[key])));
    const button = make("button", "palette", dots, name);
    button.type = "button";
    button.addEventListener("click", () => this.#choose(colours));
    element("palettes").append(button);
  }

  #onClick(id, write) {
    element(id).addEventListener("click", () => {
      if (this.#document !== null) write(this.#document).catch(this.#report);
    });
  }
}

/** @returns {(string | Node)[]} */
function describeColours(keys, data) {
  return keys.flatMap((key) => [make("span", "colour", dot(toHex(data[key], key)), key), " "]);
}

function describeExpiry({ dateExpires }) {
  return dateExpires === null ? "wrote it again" : `expires ${fromNow(new Date(dateExpires))}`;
}

/**
 * The document as text, with the colours that it names.
 *
 * @returns {(string | Node)[]}
 */
function describeJson(data) {
  return JSON.stringify(data, null, 2)
    .split(/(?<=": )(?="#[0-9a-f]{6}")/)
    .flatMap((part) => (part.startsWith('"#') ? [dot(part.slice(1, 8)), part] : [part]));
}

function swatchOf(input) {
  return input.closest(".swatch");
}

function flash(input) {
  swatchOf(input).animate(
    [{ boxShadow: "0 0 0 3px var(--brand)" }, { boxShadow: "0 0 0 3px transparent" }],
    { duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 900 },
  );
}
