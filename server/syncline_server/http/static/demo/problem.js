/** The line that says why something failed. */

/** Milliseconds. */
const SHOWN = 10_000;

export class Problem {
  #line;
  #isSolved;

  /**
   * @param {HTMLElement} line
   * @param {() => boolean} isSolved false while the problem must stay in sight
   */
  constructor(line, isSolved) {
    this.#line = line;
    this.#isSolved = isSolved;
  }

  /** @param {Error} error */
  report = (error) => {
    this.#line.textContent = error.message;
    this.#line.hidden = false;
    setTimeout(this.clear, SHOWN);
  };

  /** What keeps a pane from connecting stays in sight. */
  clear = () => {
    if (this.#isSolved()) this.#line.hidden = true;
  };
}
