/** The commands that do in a terminal what the page does. */

import { element } from "./elements.js";

/** Milliseconds for which a button says that it copied. */
const COPIED = 2_000;

/** Address of the server, with the prefix under which a proxy may serve it. */
const SERVER = new URL("..", import.meta.url).href.replace(/\/$/, "");

/** The parts of the commands; the page adds its own address. */
const COMMANDS = {
  "command-doc": `syncline doc update user_prefs '{"accent": "#e0218a"}'`,
  "command-map": `syncline map set demo_board card-47 '{"text": "From a terminal", "column": "todo", "place": 0}'`,
};

/** Show the commands and the code with the address of this page, and let buttons copy the commands. */
export function showTerminal() {
  for (const [id, command] of Object.entries(COMMANDS)) {
    const shown = element(id);
    shown.textContent = `${command} --url ${SERVER}`;
    const button = element(`${id}-copy`);
    button.addEventListener("click", () => void copy(shown, button));
  }
  element("module").textContent = new URL("../syncline.js", import.meta.url).pathname;
  element("token-address").textContent = `${SERVER}/demo/token?identity=terminal`;
}

async function copy(shown, button) {
  try {
    await navigator.clipboard.writeText(shown.textContent);
    button.textContent = "Copied";
  } catch {
    // Pages that were loaded over plain HTTP from another machine have no clipboard.
    getSelection()?.selectAllChildren(shown);
    button.textContent = "Selected";
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, COPIED);
}
