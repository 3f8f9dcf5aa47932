/** The document `user_prefs`: four colours, and what the page shows of them. */

import { DEFAULT, KEYS, PALETTES, inkOn, toHex } from "./colours.js";
import { dot, fromNow, make, person } from "./elements.js";
import { keepOpen } from "./keep-open.js";

const NAME = "user_prefs";

/** Buttons that need the document. */
const WRITERS = ["expire", "keep", "remove"];

/** Elements that show its state in words. */
const SHOWN = ["json", "writer", "written", "revision", "expires"];

/** Seconds. */
const SOON = 5;

export class Preferences {
  #pane;
  #find;
  /** @type {import("/syncline.js").SyncDocument | null} */
  #document = null;
  /** Colours that were chosen here and are not written yet. */
  #chosen = {};
  #isWriting = false;
  /** Writes of the buttons that are under way. */
  #pressed = 0;
  #inputs;

  /** @param {import("./pane.js").PaneContext} pane */
  constructor(pane) {
    this.#pane = pane;
    this.#find = pane.find;
    this.#inputs = KEYS.map((key) => pane.find(key));
    for (const input of this.#inputs) {
      input.addEventListener("input", () => this.#choose({ [input.name]: input.value }));
    }
    for (const [name, colours] of Object.entries(PALETTES)) this.#offer(name, colours);
    this.#onClick("expire", (handle) => handle.setTtl(SOON));
    this.#onClick("keep", (handle) => handle.setTtl(0));
    this.#onClick("remove", (handle) => handle.removeDocument());
  }

  /** Writes that wait for their replies; all chosen colours are one. */
  get waiting() {
    return this.#pressed + (Object.keys(this.#chosen).length > 0 ? 1 : 0);
  }

  /** The four colours as this pane shows them. */
  get colours() {
    return this.#inputs.map((input) => input.value);
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
    this.#find("written").textContent = fromNow(handle.dateUpdated);
    this.#find("expires").textContent = expires === null ? "never" : fromNow(expires);
    this.#find("expire").hidden = expires !== null;
    this.#find("keep").hidden = expires === null;
  }

  #opened(handle) {
    this.#document = handle;
    this.#setState("open", "");
    this.#show();
    void this.#write();
  }

  #updated(event) {
    const { data, previousData, isLocal } = event;
    const changed = KEYS.filter((key) => data[key] !== previousData[key]);
    const what = changed.length > 0 ? describeColours(changed, data) : [describeExpiry(event)];
    const { updatedBy: who, revision, dateUpdated: date } = event;
    this.#pane.record(NAME, what, { who, isLocal, revision, date });
    this.#show();
    for (const input of this.#inputs) if (changed.includes(input.name)) flash(input);
  }

  #removed({ removedBy, expired, isLocal, dateRemoved: date }) {
    const event = { who: removedBy, isLocal, revision: null, date };
    this.#pane.record(NAME, [expired ? "expired" : "removed it"], event);
    this.#document = null;
    this.#chosen = {};
    const remover = removedBy === null ? "" : ` by ${removedBy}`;
    this.#setState("removed", `${expired ? "Expired" : `Removed${remover}`}. Back in a moment…`);
    for (const id of SHOWN) this.#find(id).textContent = "–";
  }

  /**
   * @param {"open" | "removed"} state
   * @param {string} text for screen readers, where the page does not show it
   */
  #setState(state, text) {
    this.#find("stage").dataset.state = state;
    this.#find("removed").textContent = text;
    for (const id of WRITERS) this.#find(id).disabled = state === "removed";
  }

  #show() {
    const handle = this.#document;
    if (handle === null) return;
    const data = { ...handle.data, ...this.#chosen };
    const colours = Object.fromEntries(KEYS.map((key) => [key, toHex(data[key], key)]));
    this.#paint(colours);
    this.#find("stage").classList.toggle("pending", Object.keys(this.#chosen).length > 0);
    this.#find("json").replaceChildren(...describeJson(handle.data));
    this.#find("revision").textContent = handle.revision;
    this.#find("writer").replaceChildren(person(handle.updatedBy ?? handle.createdBy));
    this.tick();
  }

  #paint(colours) {
    const { style } = this.#find("stage");
    for (const [key, colour] of Object.entries(colours)) style.setProperty(`--${key}`, colour);
    style.setProperty("--on-accent", inkOn(colours.accent));
    for (const input of this.#inputs) {
      input.value = colours[input.name];
      swatchOf(input).querySelector("code").textContent = colours[input.name];
      swatchOf(input).classList.toggle("pending", Object.hasOwn(this.#chosen, input.name));
    }
  }

  /** Show a choice at once, and write it. */
  #choose(colours) {
    Object.assign(this.#chosen, colours);
    this.#show();
    this.#pane.changed();
    void this.#write();
  }

  /** One write at a time, each with the newest choice: a picker moves faster than a network. */
  async #write() {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      while (this.#document !== null && Object.keys(this.#chosen).length > 0) {
        const written = { ...this.#chosen };
        const handle = this.#document;
        const start = performance.now();
        await handle.update(written);
        // No event comes between the reply and this line.
        this.#pane.sent(handle.revision, start);
        for (const key of KEYS) if (this.#chosen[key] === written[key]) delete this.#chosen[key];
      }
    } catch (error) {
      // Without a document it is no failure: the removal event follows, or the next client writes it.
      if (this.#document === null) return;
      this.#chosen = {};
      this.#pane.report(error);
    } finally {
      this.#isWriting = false;
      this.#show();
      this.#pane.changed();
    }
  }

  #offer(name, colours) {
    const dots = make("span", "dots", ...KEYS.map((key) => dot(colours[key])));
    const button = make("button", "palette", dots, name);
    button.type = "button";
    button.addEventListener("click", () => this.#choose(colours));
    this.#find("palettes").append(button);
  }

  #onClick(id, write) {
    this.#find(id).addEventListener("click", async () => {
      if (this.#document === null) return;
      this.#pressed += 1;
      this.#pane.changed();
      await write(this.#document).catch(this.#pane.report);
      this.#pressed -= 1;
      this.#pane.changed();
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
