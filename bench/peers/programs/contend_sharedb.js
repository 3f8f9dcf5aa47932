// Clients that follow one document and add 1 to one number in it. The server transforms what is
// behind, so each change takes one try. Arguments: port, clients, seconds.
import { once } from "node:events";
import { promisify } from "node:util";

import ShareDB from "sharedb/lib/client/index.js";
import WebSocket from "ws";

import { contend } from "./contention.js";

const [port, count, seconds] = process.argv.slice(2).map(Number);

async function open() {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await once(socket, "open");
  // An operation whose connection has ended is never answered: end instead of waiting for it.
  socket.once("close", () => {
    console.error("the server closed a connection");
    process.exit(1);
  });
  const document = new ShareDB.Connection(socket).get("bench", "00000");
  await promisify(document.subscribe).call(document);
  return document;
}

async function add(document) {
  await promisify(document.submitOp).call(document, [{ p: ["count"], na: 1 }]);
  return true;
}

async function value() {
  const document = await open();
  return document.data.count;
}

await contend(await Promise.all(Array.from({ length: count }, open)), seconds, add, value);
process.exit();
