/** What the types of collections have of their own. */

import { Code } from "./protocol.js";

/**
 * @typedef {object} CollectionType
 * @property {"map" | "list"} name the member of messages that names the collection
 * @property {"key" | "index"} id the member with the key of an item
 * @property {"keys" | "indexes"} ids the member with the keys of a part
 * @property {boolean} createsItems true if a write of an item that does not exist creates it
 * @property {string} noun in error messages
 * @property {number} notFound error code where there is no such collection
 * @property {number} itemNotFound error code where there is no such item
 * @property {number} invalidData error code where the data of an item is null
 */

/** @type {CollectionType} */
export const MAP = Object.freeze({
  name: "map",
  id: "key",
  ids: "keys",
  createsItems: true,
  noun: "Map",
  notFound: Code.MAP_NOT_FOUND,
  itemNotFound: Code.MAP_ITEM_NOT_FOUND,
  invalidData: Code.MAP_ITEM_INVALID_DATA,
});

/** @type {CollectionType} */
export const LIST = Object.freeze({
  name: "list",
  id: "index",
  ids: "indexes",
  createsItems: false,
  noun: "List",
  notFound: Code.LIST_NOT_FOUND,
  itemNotFound: Code.LIST_ITEM_NOT_FOUND,
  invalidData: Code.LIST_ITEM_INVALID_DATA,
});
