/** The login, which stays in this page's memory: a reload ends it. */

import { Api, ApiError } from "./api.js";
import { element, field } from "./elements.js";

/**
 * @param {(api: Api) => void} onLogin called with a login that the server has accepted
 */
export function loginForm(onLogin) {
  const user = element("input", {
    name: "user", autocomplete: "username", required: true, spellcheck: "false",
    autocapitalize: "off", pattern: "(AC|SK)[0-9a-f]{32}", placeholder: "AC… or SK…",
    title: "AC or SK and 32 hexadecimal digits", maxlength: "34",
  });
  const secret = element("input", {
    name: "secret", type: "password", autocomplete: "current-password", required: true,
    maxlength: "1024",
  });
  const problem = element("p", { class: "problem", role: "alert", hidden: true });
  const submit = element("button", { type: "submit", class: "primary" }, "Log in");

  /** @param {Event} event */
  async function logIn(event) {
    event.preventDefault();
    submit.disabled = true;
    problem.hidden = true;
    const api = new Api(user.value.trim(), secret.value);
    try {
      await api.get("/v1/Services?PageSize=1");
      onLogin(api);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
      problem.hidden = false;
      secret.select();
    } finally {
      submit.disabled = false;
    }
  }

  return element(
    "form", { class: "login card", onsubmit: logIn, autocomplete: "on" },
    element("h1", {}, "Log in"),
    element("p", { class: "soft" }, "With the account, or with an API key and its secret."),
    field("Account or key SID", user),
    field("Auth token or secret", secret),
    problem,
    submit,
    element("p", { class: "hint" }, "The login is kept in this page alone. Reloading the page ends it."),
  );
}
