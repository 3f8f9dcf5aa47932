/** The switch of versions: it offers what `versions.json`, beside the folders of all versions, lists. */

const choice = document.getElementById("versions");
const root = new URL(document.documentElement.dataset.content_root, location.href);
const current = choice.value;

/** The same page in another version, or the first page of that version where it has no such page. */
async function find(version) {
  const first = new URL(`../${version}/`, root);
  const page = new URL(location.href.slice(root.href.length), first);
  const found = await fetch(page, { method: "HEAD" });
  return found.ok ? page : first;
}

const reply = await fetch(new URL("../versions.json", root)).catch(() => null); // none for a file
const versions = reply?.ok ? await reply.json() : [];
if (versions.some((version) => version !== current)) {
  choice.replaceChildren(...versions.map((version) => new Option(version, version, false, version === current)));
  choice.addEventListener("change", async () => location.assign(await find(choice.value)));
  choice.parentElement.hidden = false;
}
