/** How to start `syncline` on this machine. */

import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

const VARIABLE = "SYNCLINE_COMMAND";

const HAS_SERVER =
  "import sys; from importlib.util import find_spec; sys.exit(not find_spec('syncline_server'))";

/** The program and its first arguments, to which `serve` is added. */
export function findCommand() {
  const given = process.env[VARIABLE];
  if (given) return split(given);
  const found = onPath("syncline");
  if (found) return [found];
  for (const python of ["python3", "python"]) {
    if (spawnSync(python, ["-c", HAS_SERVER], { stdio: "ignore" }).status === 0) {
      return [python, "-m", "syncline_server"];
    }
  }
  throw new Error(
    "syncline-testing needs the command syncline, which is not on PATH: " +
      `pip install 'syncline[server]', or name it in the option command or in ${VARIABLE}`,
  );
}

/**
 * The words of a command line; quotes keep spaces.
 *
 * @param {string} line
 */
export function split(line) {
  const words = line.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** @param {string} name */
function onPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter(Boolean)
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
