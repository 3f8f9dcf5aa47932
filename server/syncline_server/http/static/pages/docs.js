/** Shows the description of the REST API. Credentials that a visitor enters stay in this page. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

globalThis.SwaggerUIBundle({
  url: new URL("../openapi.json", import.meta.url).href,
  dom_id: "#viewer",
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  docExpansion: "none",
  filter: true,
  persistAuthorization: false,
  // The viewer would otherwise send the description to a public validator.
  validatorUrl: null,
});
