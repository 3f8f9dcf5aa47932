/** One script of all objects, connections and tokens for each tested version of the vendor's SDK. */

import { Console } from "node:console";
import { after, before, describe, test } from "node:test";

import { startServer } from "./server.js";
import { COLLECTION_STEPS } from "./vendor-script-collections.js";
import { DOCUMENT_STEPS } from "./vendor-script-documents.js";
import { Script } from "./vendor-script.js";
import { VERSIONS } from "./vendor-sdk.js";
import { STREAM_STEPS } from "./vendor-script-streams.js";

const STEPS = { ...DOCUMENT_STEPS, ...COLLECTION_STEPS, ...STREAM_STEPS };

let server;
before(async () => {
  server = await startServer("--token-leeway=0");
});
after(() => server.stop());

const results = Object.fromEntries(Object.keys(STEPS).map((step) => [step, {}]));
// Not to stdout, where the test runner reads its own messages.
after(() => new Console(process.stderr).table(results));

describe("versions of the SDK", { concurrency: true }, () => {
  for (const version of Object.keys(VERSIONS)) {
    test(version, async (t) => {
      const script = new Script(t, server, version);
      for (const [step, run] of Object.entries(STEPS)) {
        await t.test(step, { timeout: 60_000 }, async () => {
          results[step][version] = "fails";
          await run(script);
          results[step][version] = "works";
        });
      }
    });
  }
});
