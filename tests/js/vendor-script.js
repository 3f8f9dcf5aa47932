/** What the steps of the script share that every tested version of the vendor's SDK runs. */

import assert from "node:assert/strict";

import { Proxy } from "./proxy.js";
import { next, rejection, until, whenState } from "./support.js";
import { IMPATIENT, open, VERSIONS } from "./vendor-sdk.js";

export const REMOVED = [404, 54100];
export const FORBIDDEN = [403, 54007];

/** Version 0.12 calls the data of a document, an item or a message its value. */
export const read = ({ data, value }) => value ?? data;

/** Everything that an object reports from now on, as `[name, isLocal, data]`. */
export function record(object) {
  const events = [];
  for (const name of ["updated", "removed", "failure"]) {
    object.on(name, (event) => events.push([name, event.isLocal, read(event)]));
  }
  return events;
}

/** Everything about the items of a collection from now on, as `[name, isLocal, id, data]`. */
export function recordItems(collection) {
  const events = [];
  for (const name of ["itemAdded", "itemUpdated"]) {
    collection.on(name, ({ item, isLocal }) =>
      // The SDK keeps one object for each item, whose data will be newer.
      events.push([name, isLocal, item.key ?? item.index, structuredClone(read(item))]),
    );
  }
  collection.on("itemRemoved", (event) =>
    events.push([
      "itemRemoved",
      event.isLocal,
      event.key ?? event.index,
      event.previousItemData ?? event.value,
    ]),
  );
  for (const name of ["removed", "failure"]) {
    collection.on(name, ({ isLocal }) => events.push([name, isLocal]));
  }
  return events;
}

/** Resolved once so many events are recorded. */
export const whenMany = (events, count) => until(() => events.length >= count);

/** Resolved once the document's `n` is that number. */
export async function whenCounted(document, n) {
  while (read(document).n !== n) await next(document, "updated");
}

export async function refused(promise, [status, code]) {
  const error = await rejection(promise);
  assert.deepEqual([error.status, error.code], [status, code], error.message);
}

/** What the steps of one version share. */
export class Script {
  constructor(t, server, version) {
    this.t = t;
    this.server = server;
    this.name = `${version} ${crypto.randomUUID()}`;
    this.Sdk = VERSIONS[version];
    this.names = 0;
  }

  open(options) {
    return open(this.t, this.server, { Sdk: this.Sdk, ...IMPATIENT, ...options });
  }

  /** The option of `document()` for the data of a new one. */
  holding(data) {
    return this.Sdk.version.startsWith("0.") ? { value: data } : { data };
  }

  newName() {
    this.names += 1;
    return `${this.name} ${this.names}`;
  }

  /** A client, and the proxy that it is behind. */
  async openThroughProxy(options) {
    const proxy = await Proxy.start(this.server.url);
    this.t.after(() => proxy.stop());
    const client = this.open({ url: proxy.url, ...options });
    return { proxy, client };
  }

  /** A service with permissions, and a document in it that only `alice` may read. */
  restricted() {
    return this.restrictedObject("Documents", { Data: '{"n":0}' });
  }

  /** The same with an object of another type. */
  async restrictedObject(plural, parameters = {}) {
    const { server } = this;
    const made = await server.account("POST", "/v1/Services", { AclEnabled: "true" });
    const base = `/v1/Services/${made.sid}/${plural}`;
    const name = this.newName();
    const { sid } = await server.account("POST", base, { UniqueName: name, ...parameters });
    const path = `${base}/${sid}/Permissions/alice`;
    const may = { Read: "true", Write: "true", Manage: "false" };
    const allow = () => server.account("POST", path, may);
    await allow();
    const token = server.token("alice", 3_600, made.sid);
    return { name, token, allow, forbid: () => server.account("DELETE", path) };
  }
}

export const put = ({ server }, document, n) =>
  server.rest("POST", `/${document.sid}`, { Data: `{"n":${n}}` });

export async function cut(proxy, client) {
  const left = whenState(client, "connecting");
  proxy.isDown = true;
  proxy.cut();
  await left;
}

