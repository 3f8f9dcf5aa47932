/** The types of objects, by the plural in addresses. */

/**
 * @typedef {object} ObjectType
 * @property {string} title of all of them
 * @property {string} name of one
 * @property {string} segment in the paths of REST
 * @property {"key" | "index" | null} itemId the member that names an item; null: it has no items
 * @property {boolean} hasData
 * @property {boolean} hasPermissions
 */

/** @type {Record<string, ObjectType>} */
export const TYPES = {
  documents: {
    title: "Documents", name: "document", segment: "Documents",
    itemId: null, hasData: true, hasPermissions: true,
  },
  lists: {
    title: "Lists", name: "list", segment: "Lists",
    itemId: "index", hasData: false, hasPermissions: true,
  },
  maps: {
    title: "Maps", name: "map", segment: "Maps",
    itemId: "key", hasData: false, hasPermissions: true,
  },
  streams: {
    title: "Streams", name: "stream", segment: "Streams",
    itemId: null, hasData: false, hasPermissions: false,
  },
};
