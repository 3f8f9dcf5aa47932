/** Canonical JSON (RFC 8785) and its digest. */

const utf8 = new TextEncoder();

/** CRC-32 table: the remainder for each byte. */
const REMAINDERS = Int32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  }
  return remainder;
});

/**
 * Return the CRC-32 of the canonical form, as eight hexadecimal digits.
 *
 * @param {unknown} value as `JSON.parse` returns it
 */
export function digest(value) {
  const bytes = utf8.encode(canonical(value));
  let crc = -1;
  for (let place = 0; place < bytes.length; place += 1) {
    crc = (crc >>> 8) ^ REMAINDERS[(crc ^ bytes[place]) & 0xff];
  }
  return (~crc >>> 0).toString(16).padStart(8, "0");
}

/**
 * Encode in the form of RFC 8785. Numbers and strings are as `JSON.stringify` writes them. Members
 * are in the order of their keys' UTF-16 code units, which is the order of `sort`.
 *
 * @param {any} value as `JSON.parse` returns it
 * @returns {string}
 */
export function canonical(value) {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  let text = "";
  if (Array.isArray(value)) {
    for (const element of value) text += `${text && ","}${canonical(element)}`;
    return `[${text}]`;
  }
  for (const key of Object.keys(value).sort()) {
    text += `${text && ","}${JSON.stringify(key)}:${canonical(value[key])}`;
  }
  return `{${text}}`;
}
