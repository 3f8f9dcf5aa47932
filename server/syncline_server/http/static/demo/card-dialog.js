/** The dialog in which the text of a card is edited; the rest of the page stays in use meanwhile. */

/** @typedef {import("./card.js").Card} Card */

export class CardDialog {
  #dialog;
  #form;
  #text;
  #problem;
  #save;
  #key = "";
  /** The card that the text is for. @type {Card | undefined} */
  #basis;

  /**
   * @param {(id: string) => HTMLElement} find an element of the pane
   * @param {(key: string, basis: Card | undefined, text: string) => Promise<Rival | null>} save
   *   returns what another writer made of `basis`, if the text was not saved for that reason
   *
   * @typedef {{ card: Card | undefined }} Rival `card` is undefined if it was removed
   */
  constructor(find, save) {
    this.#dialog = find("card-dialog");
    this.#form = this.#dialog.querySelector("form");
    this.#text = find("card-edited");
    this.#problem = find("card-problem");
    this.#save = save;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    find("card-cancel").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#dialog.close();
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
  }

  /** @param {string} key @param {Card | undefined} card undefined if it was just removed */
  open(key, card) {
    if (card === undefined) return;
    this.#show(key, card, card.text);
    this.#text.select();
  }

  #show(key, basis, text, problem = "") {
    this.#key = key;
    this.#basis = basis;
    this.#text.value = text;
    this.#problem.textContent = problem;
    this.#dialog.show();
    this.#text.focus();
    this.#dialog.scrollIntoView({ block: "nearest" });
  }

  /** Save the text; if that fails, show it again with the reason. */
  async #submit() {
    const [key, basis, text] = [this.#key, this.#basis, this.#text.value.trim()];
    if (text === "") return;
    this.#dialog.close();
    try {
      const rival = await this.#save(key, basis, text);
      if (rival === null) return;
      await this.#untilClosed();
      this.#show(key, rival.card, text, describeRival(rival.card));
    } catch (error) {
      await this.#untilClosed();
      this.#show(key, basis, text, error.message);
    }
  }

  /** Another card may be edited meanwhile: an offline write takes long. */
  async #untilClosed() {
    while (this.#dialog.open) {
      await new Promise((resolve) => this.#dialog.addEventListener("close", resolve, { once: true }));
    }
  }
}

/** @param {Card | undefined} card */
function describeRival(card) {
  if (card === undefined) return "This card was removed meanwhile. Save again to bring it back.";
  return `${card.writer ?? "Somebody"} wrote meanwhile: “${card.text}”. Save again to replace it.`;
}
