// Clients of the vendor's unmodified SDK that add 1 to one number of one document by `mutate`.
// Arguments: base URL, token, document, clients, seconds.
import { createRequire } from "node:module";

import { contend } from "../../peers/programs/contention.js";

const { SyncClient } = createRequire(import.meta.url)("twilio-sync");

const [url, token, name, count, seconds] = process.argv.slice(2);
const wsUri = `${url.replace("http", "ws")}/v3/wsconnect`;

let tries = 0;

// Options of its own for each: the SDK keeps its connection in them.
async function open() {
  return new SyncClient(token, { cdsUri: url, twilsock: { uri: wsUri } }).document(name);
}

function add(data) {
  tries += 1;
  return { ...data, count: (data.count ?? 0) + 1 };
}

// The SDK tries again by itself; it gives up after some time.
async function change(document) {
  try {
    await document.mutate(add);
    return true;
  } catch (error) {
    console.error(error.message);
    return false;
  }
}

async function value() {
  const document = await open();
  return document.data.count;
}

const documents = await Promise.all(Array.from({ length: Number(count) }, open));
await contend(documents, Number(seconds), change, value, () => tries);
process.exit();
