/** What a card of the board is: the data of its item, its key, its place among the others. */

/** The columns of the board by their names in the data, from left to right. */
export const COLUMNS = Object.freeze({ todo: "To do", doing: "Doing", done: "Done" });

/**
 * The keys that cards can have. The page opens only these items, so that a map which another client
 * fills costs it neither traffic nor memory.
 */
export const KEYS = Array.from({ length: 48 }, (_, place) => `card-${String(place).padStart(2, "0")}`);

/** Characters; also the `maxlength` of the inputs. */
const TEXT_LIMIT = 120;

/**
 * @typedef {{
 *   key: string, text: string, column: string, place: number, writer: string | null,
 *   isPending: boolean,
 * }} Card
 */

/**
 * The card in an item. Other clients may have written anything.
 *
 * @param {string} key
 * @param {any} data
 * @param {string | null} writer
 * @param {boolean} isPending true if a write of this pane is under way
 * @returns {Card}
 */
export function readCard(key, data, writer, isPending) {
  const { text, column, place } = data;
  return {
    key,
    text: cleanText(typeof text === "string" ? text : (JSON.stringify(text) ?? "")) || "(no text)",
    column: Object.hasOwn(COLUMNS, column) ? column : "todo",
    place: Number.isFinite(place) ? place : 0,
    writer,
    isPending,
  };
}

/** @param {string} text */
export function cleanText(text) {
  return [...text.trim()].slice(0, TEXT_LIMIT).join("");
}

/**
 * The order of the cards in a column. In every window it is the same, because equal places are
 * ordered by key.
 *
 * @param {Card} left
 * @param {Card} right
 */
export function compareCards(left, right) {
  return left.place - right.place || (left.key < right.key ? -1 : 1);
}

/**
 * A place between two cards.
 *
 * @param {Card | undefined} before undefined: first in the column
 * @param {Card | undefined} after undefined: last in the column
 * @returns {number | null} null if no number is between their places
 */
export function placeBetween(before, after) {
  const low = before?.place ?? (after ? after.place - 2 : 0);
  const high = after?.place ?? low + 2;
  // Random, so that two windows which use one gap at the same time get different places.
  const place = low + (high - low) * (0.4 + Math.random() / 5);
  return low < place && place < high ? place : null;
}

/** Cards of a board that has none yet. */
export const SAMPLES = [
  { text: "Move this card: the other pane follows", column: "todo", place: 1 },
  { text: "Go offline in one pane, then move cards in both", column: "todo", place: 2 },
  { text: "Edit a card in one pane while the other moves it", column: "doing", place: 1 },
  { text: "Start the server", column: "done", place: 1 },
];
