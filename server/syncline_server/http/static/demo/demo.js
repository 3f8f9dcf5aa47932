/** The demo page: this window's connection, and what it shows. */

import { Client } from "/syncline.js";
import { Board } from "./board.js";
import { Counter } from "./counter.js";
import { element } from "./elements.js";
import { fetchToken, keepIdentity, readIdentity } from "./identity.js";
import { Journal } from "./journal.js";
import { Preferences } from "./preferences.js";

const TRANSPORTS = { websocket: "WebSocket", rest: "HTTP" };

/** Milliseconds; short, as somebody watches and the server is on the same machine. */
const BACKOFF_LIMIT = 2_000;

/** Milliseconds for which a write waits while there is no connection: somebody tries that out. */
const REQUEST_TIMEOUT = 600_000;

/** Milliseconds. */
const PROBLEM_SHOWN = 10_000;

const journal = new Journal(element("events"));
const preferences = new Preferences(journal, report);
const counter = new Counter(journal, report);
const board = new Board(journal, report);

/** @type {Client} */
let client;
let wasConnected = false;

/** Take part under a name; a connection is for one identity. */
function join(identity) {
  client?.shutdown();
  const options = { backoffLimit: BACKOFF_LIMIT, requestTimeout: REQUEST_TIMEOUT };
  client = new Client(() => getToken(identity), options);
  client.on("connectionStateChanged", () => {
    showConnection();
    clearProblem();
  });
  wasConnected = false;
  showConnection();
  for (const part of [preferences, counter, board]) part.keepOpen(client).catch(report);
}

async function getToken(identity) {
  try {
    return await fetchToken(identity);
  } catch (error) {
    // Failures of the network are TypeErrors; the state of the connection shows them.
    if (!(error instanceof TypeError)) report(error);
    throw error;
  }
}

function showConnection() {
  const { connectionState, transport } = client;
  wasConnected ||= connectionState === "connected";
  const shown = element("connection");
  const text = describeConnection(connectionState, transport);
  // It is a live region: written only when it says something else.
  if (shown.textContent !== text) shown.textContent = text;
  shown.dataset.state = connectionState;
}

function describeConnection(state, transport) {
  switch (state) {
    case "connected":
      return `Connected · ${TRANSPORTS[transport] ?? "…"}`;
    case "connecting":
      return wasConnected ? "Reconnecting…" : "Connecting…";
    case "denied":
      return "Token refused";
    default:
      return "Disconnected";
  }
}

/** @param {Error} error */
function report(error) {
  element("problem").textContent = error.message;
  element("problem").hidden = false;
  setTimeout(clearProblem, PROBLEM_SHOWN);
}

/** What keeps the page from connecting stays in sight. */
function clearProblem() {
  if (client.connectionState === "connected") element("problem").hidden = true;
}

function openBeside(event) {
  if (event.ctrlKey || event.metaKey || event.shiftKey || screen.availWidth < 1_000) return;
  event.preventDefault();
  const width = Math.floor(screen.availWidth / 2);
  const features = `popup,noopener,width=${width},height=${screen.availHeight},left=${width},top=0`;
  window.open("/demo", "_blank", features);
}

function tick() {
  preferences.tick();
  showConnection();
}

const name = element("identity");
name.value = readIdentity();
name.addEventListener("change", () => {
  name.value = name.value.trim() || readIdentity();
  join(keepIdentity(name.value));
});
element("identity-form").addEventListener("submit", (event) => {
  event.preventDefault();
  name.blur();
});
element("another").addEventListener("click", openBeside);
setInterval(tick, 500);
join(name.value);
