/** The login, which stays in this page's memory: a reload ends it. */

import { Api, ApiError } from "./api.js";
import { button, element, field } from "./elements.js";
import { goToProvider, provider } from "./oidc.js";

/**
 * @param {(api: Api) => void} onLogin called with a login that the server has accepted
 * @param {string} [reason] why an earlier one was not accepted
 */
export function loginForm(onLogin, reason = "") {
  const user = element("input", {
    name: "user", autocomplete: "username", required: true, spellcheck: "false",
    autocapitalize: "off", pattern: "(AC|SK)[0-9a-f]{32}", placeholder: "AC… or SK…",
    title: "AC or SK and 32 hexadecimal digits", maxlength: "34",
  });
  const secret = element("input", {
    name: "secret", type: "password", autocomplete: "current-password", required: true,
    maxlength: "1024",
  });
  const problem = element("p", { class: "problem", role: "alert", hidden: reason === "" }, reason);
  const others = element("div", { class: "others", hidden: true });
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
      showProblem(error);
      secret.select();
    } finally {
      submit.disabled = false;
    }
  }

  /** @param {unknown} error */
  function showProblem(error) {
    if (!(error instanceof ApiError)) throw error;
    problem.textContent = error.message;
    problem.hidden = false;
  }

  async function showProvider() {
    const url = await provider();
    if (url === null) return;
    const go = button(`Log in with ${new URL(url).host}`, async () => {
      go.disabled = true;
      try {
        await goToProvider();
      } catch (error) {
        go.disabled = false;
        showProblem(error);
      }
    });
    others.append(element("p", { class: "soft" }, "Or with the account of your organization."), go);
    others.hidden = false;
  }

  showProvider().catch(() => {}); // the form itself says that the server cannot be reached
  return element(
    "form", { class: "login card", onsubmit: logIn, autocomplete: "on" },
    element("h1", {}, "Log in"),
    element("p", { class: "soft" }, "With the account, or with an API key and its secret."),
    field("Account or key SID", user),
    field("Auth token or secret", secret),
    problem,
    submit,
    others,
    element("p", { class: "hint" }, "The login is kept in this page alone. Reloading the page ends it."),
  );
}
