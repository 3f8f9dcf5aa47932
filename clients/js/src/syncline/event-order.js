/** Order of the events of one object and the replies to its writes (docs/protocol.md, rule C13). */

/**
 * Delivers news in the order in which it came, each after the writes that it must wait for.
 *
 * A *ticket* numbers each write: news that may come before the reply to its write waits for all
 * tickets up to its own.
 *
 * @template News
 */
export class EventOrder {
  #bound;
  #deliver;
  #overflow;
  #lastTicket = 0;
  /** @type {Set<number>} tickets of the writes in flight */
  #underWay = new Set();
  /** Ticket of the last write that may have been sent on an earlier connection. */
  #lastCarriedOver = 0;
  /** @type {{ ticket: number, news: News }[]} news to deliver, oldest first */
  #waiting = [];

  /**
   * @param {number} bound maximum amount of news that waits for writes
   * @param {(news: News) => void} deliver
   * @param {() => void} [overflow] called beyond `bound`; default: the oldest news is dropped
   */
  constructor(bound, deliver, overflow = () => void this.#waiting.shift()) {
    this.#bound = bound;
    this.#deliver = deliver;
    this.#overflow = overflow;
  }

  /**
   * Wrap an own write, from before it is sent until its reply is processed.
   *
   * @template T
   * @param {() => Promise<T>} write
   */
  async writing(write) {
    this.#lastTicket += 1;
    const ticket = this.#lastTicket;
    this.#underWay.add(ticket);
    try {
      return await write();
    } finally {
      this.#underWay.delete(ticket);
      this.#release();
    }
  }

  /**
   * Prepare for a new connection. A write in flight may have been sent on the one before, where the
   * server may still apply it. Its event can therefore come on the new connection before its reply.
   */
  reconnected() {
    this.#lastCarriedOver = this.#lastTicket;
  }

  /**
   * @param {News} news
   * @param {boolean} mayBeEarly true if it may come before the reply to its write
   */
  put(news, mayBeEarly) {
    // If events can overtake replies, wait for every write that has a ticket by now. Otherwise only
    // for writes that may have been sent on an earlier connection.
    this.#waiting.push({ ticket: mayBeEarly ? this.#lastTicket : this.#lastCarriedOver, news });
    if (this.#waiting.length > this.#bound) this.#overflow();
    this.#release();
  }

  /**
   * Drop the waiting news.
   *
   * @param {(news: News) => boolean} [isKept] default: all is dropped
   */
  drop(isKept = () => false) {
    this.#waiting = this.#waiting.filter(({ news }) => isKept(news));
  }

  /** Deliver waiting news, in order, up to the first that still waits for a write. */
  #release() {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { ticket, news } = next;
      for (const write of this.#underWay) if (write <= ticket) return;
      this.#waiting.shift();
      this.#deliver(news);
    }
  }
}
