/** Tables as CSV (RFC 4180), for spreadsheets and for pandas. */

/** A field, quoted where it has to be; a text that a spreadsheet would run as a formula is made harmless. */
function field(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** At most `digits` after the point, and nothing for NaN. */
export function number(value: number, digits: number): string {
  return Number.isFinite(value) ? String(Number(value.toFixed(digits))) : "";
}

/** @param rows of as many cells as `header`; numbers are written as they are, texts escaped */
export function csv(header: readonly string[], rows: Iterable<readonly (string | number)[]>): string {
  const lines = [header.map(field).join(",")];
  for (const row of rows) {
    lines.push(row.map((cell) => (typeof cell === "number" ? number(cell, 6) : field(cell))).join(","));
  }
  return `${lines.join("\r\n")}\r\n`;
}
