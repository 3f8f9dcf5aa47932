import { once } from "node:events";

// What the contention programs share: clients that each change one document, over and over.

// Prints `ready`, waits for a line, runs for so many seconds and prints a line of JSON.
// `attempt(client)` tries once to make a client's change, and resolves with whether it was made. `commits` are changes that were made;
// waits, in seconds, are from the wish for a change to that; the longest may have been in vain.
// `value` is the counter's at the end: what clients took for failed may have been made. `tries`
// returns how many attempts there were, where an `attempt` makes several.
export async function contend(clients, seconds, attempt, value, tries) {
  console.log("ready");
  await once(process.stdin, "data");
  const start = performance.now();
  const usage = process.cpuUsage();
  const end = start + seconds * 1000;
  const waits = [];
  let attempts = 0;
  let longest = 0;

  async function change(client) {
    const begun = performance.now();
    let made = false;
    while (!made && performance.now() < end) {
      attempts += 1;
      made = await attempt(client);
    }
    const wait = (performance.now() - begun) / 1000;
    longest = Math.max(longest, wait);
    if (made) waits.push(wait);
  }

  await Promise.all(
    clients.map(async (client) => {
      while (performance.now() < end) await change(client);
    }),
  );
  const { user, system } = process.cpuUsage(usage);
  const figures = {
    commits: waits.length,
    attempts: tries?.() ?? attempts,
    seconds: (performance.now() - start) / 1000,
    cpu: (user + system) / 1e6,
    mean_wait: waits.reduce((sum, wait) => sum + wait, 0) / waits.length,
    longest_wait: longest,
    value: await value(),
  };
  console.log(JSON.stringify(figures));
}
