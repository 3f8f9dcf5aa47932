/**
 * Runs blocks of the documentation: one JSON line on stdin for each, one on stdout with its error or null.
 *
 * `node snippets.js URL TOKEN ACCOUNT_TOKEN`. Imports of the client are those of the sources.
 */
import { Console } from "node:console";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import twilio from "twilio";

const [url, token, authToken] = process.argv.slice(2);
const sources = new URL("../../clients/js/src/", import.meta.url);
const MODULES = { syncline: new URL("syncline.js", sources), "syncline/store": new URL("store.js", sources) };
const IMPORT = /^import \{ (?<names>[^}]*) \} from "(?<from>[^"]*)";.*$/gm;
const WAITS = /for await \(const event of/;

// What blocks print does not mix with the answers.
globalThis.console = new Console(process.stderr);

const { SyncClient } = await import(MODULES.syncline);
const client = new SyncClient(() => token, { url });
const require = createRequire(import.meta.url);
const body = { EventType: "document_updated" };
const webhook = "https://app.example.com/sync";
const signature = twilio.getExpectedTwilioSignature?.(authToken, webhook, body);
const nothing = () => {};
const AsyncFunction = (async () => {}).constructor;

async function given(code) {
  const opened = { lobby: null, players: null, tasks: null, cursors: null };
  if (!/client\.document\(|storeOf/.test(code)) opened.lobby = await client.document("lobby");
  if (!/client\.map\("/.test(code)) opened.players = await client.map("players");
  if (!code.includes("client.stream(")) opened.cursors = await client.stream("cursors");
  return {
    ...opened,
    client,
    require,
    twilio,
    SyncClient: code.includes("cdsUri") ? require("twilio-sync").SyncClient : SyncClient,
    Client: SyncClient,
    token,
    authToken,
    accountSid: `AC${"0".repeat(32)}`,
    fetchToken: () => token,
    req: { headers: { "x-twilio-signature": signature }, body },
    res: { sendStatus: (status) => { throw new Error(`status ${status}`); } },
    render: nothing, leave: nothing, show: nothing, hide: nothing, move: nothing, readAgain: nothing,
  };
}

async function run(code) {
  const names = await given(code);
  const text = code.replace(IMPORT, (_, imported, from) => `const { ${imported} } = await import("${MODULES[from]}");`);
  const started = new AsyncFunction(...Object.keys(names), `{ ${text}\n }`)(...Object.values(names));
  if (WAITS.test(code)) {
    // The loop ends with the object.
    await Promise.race([started, names.cursors.publishMessage({}).then(() => names.players.removeMap())]);
  }
  await started;
}

for await (const line of createInterface({ input: process.stdin })) {
  let failed = null;
  try {
    await run(JSON.parse(line));
  } catch (error) {
    failed = error.stack ?? String(error);
  }
  process.stdout.write(`${JSON.stringify(failed)}\n`);
}
process.exit();
