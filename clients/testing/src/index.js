/** Test an application against a real Syncline server. */

export { findCommand } from "./command.js";
export { startServer } from "./server.js";
