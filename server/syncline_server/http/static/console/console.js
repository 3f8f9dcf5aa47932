/** The console: a login, and then the view that the address names. */

import { addressOf } from "./address.js";
import { Api } from "./api.js";
import { button, element, fill } from "./elements.js";
import { loginForm } from "./login.js";
import { notify } from "./notices.js";
import { comeBack, endSession } from "./oidc.js";
import { findView, sections } from "./views.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const navigation = /** @type {HTMLElement} */ (document.getElementById("navigation"));
const session = /** @type {HTMLElement} */ (document.getElementById("session"));

/** @type {Api | null} null before the login */
let api = null;
let shown = new AbortController();

/** Milliseconds between two looks at whether the session is over. */
const CHECK_INTERVAL = 10_000;

/** End what the view does in the background, and show another one. */
async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  if (api === null) return showLogin();
  const address = addressOf(location.hash);
  const { title, view, parameters, section } = findView(address);
  document.title = `${title} · Syncline console`;
  for (const link of navigation.querySelectorAll("a")) {
    if (link.hash === section) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const content = element("div", { class: "view" });
  fill(main, content);
  try {
    await view({ api, main: content, parameters, signal });
  } catch (error) {
    if (signal.aborted) return;
    if (content.childElementCount === 0) content.append(element("h1", {}, "This cannot be shown"));
    content.append(
      element("p", { class: "problem", role: "alert" }, messageOf(error)),
      element("p", {}, element("a", { href: sections[0].hash }, "All services")),
    );
  }
  if (!signal.aborted && !main.contains(document.activeElement)) main.focus({ preventScroll: true });
}

/** @param {string} [reason] why an earlier login was not accepted */
function showLogin(reason) {
  document.title = "Log in · Syncline console";
  for (const open of document.querySelectorAll("dialog")) open.close();
  navigation.hidden = session.hidden = true;
  fill(main, loginForm(logIn, reason));
}

/** @param {Api} proven */
function logIn(proven) {
  api = proven;
  api.onRefused = () => logOut("The login is no longer accepted.");
  fill(navigation, sections.map(({ hash, title }) => element("a", { href: hash }, title)));
  fill(
    session,
    element("span", { class: "who", title: api.person ?? api.user }, nameOf(api)),
    button("Log out", () => logOut("Logged out."), { class: "quiet" }),
  );
  navigation.hidden = session.hidden = false;
  show();
}

/** @param {Api} login */
function nameOf({ person, isOwner, user }) {
  return person ?? (isOwner ? "Account" : `Key ${user.slice(0, 8)}…`);
}

/** @param {string} reason */
function logOut(reason) {
  if (api === null) return;
  const left = api;
  // Before the session is ended: a refusal of that must not come back here.
  api = null;
  if (left.person !== null && !left.isOver) endSession(left);
  notify(reason);
  show();
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

function endSessionInTime() {
  if (api?.isOver) logOut("The session has ended. Log in again.");
}

setInterval(endSessionInTime, CHECK_INTERVAL);
// Timers stand still while a laptop sleeps.
document.addEventListener("visibilitychange", endSessionInTime);
// The browser may keep a page that is left, and show it again as it was.
addEventListener("pagehide", () => logOut("Logged out, because the page was left."));
addEventListener("hashchange", () => {
  if (location.hash !== "#main") show();
});
document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
comeBack().then(
  (session) => (session === null ? show() : logIn(session)),
  (error) => showLogin(messageOf(error)),
);
