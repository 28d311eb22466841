import { className } from "./format.js";
import { isUnsure, model } from "./model.js";

const HEAD = ["file", "label", "probability", "unsure", "next_label", "next_probability", "milliseconds", "model", "request_id", "error"];
// A spreadsheet would run a cell that begins so, also in full width, as a formula: labels and file
// names are not trusted.
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/**
 * The finished images of a session as CSV (RFC 4180), in the order in which they were added.
 *
 * @param {object[]} images of a `Session`
 */
export function toCsv(images) {
  const rows = images.filter(({ state }) => state === "done" || state === "failed").map(row);
  // The byte order mark tells spreadsheets that it is UTF-8.
  return `\ufeff${[HEAD, ...rows].map((cells) => cells.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** Offer a text to the user as a file. */
export function download(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the download may not have begun
}

function row({ file, result, error }) {
  if (error) return [file.name, "", "", "", "", "", "", "", error.requestId, error.code ?? error.status ?? error.message];
  const { content, milliseconds } = result;
  const [best, next] = content.predictions;
  return [
    file.name,
    className(best),
    best.probability,
    model.baseline ? (isUnsure(best) ? "yes" : "no") : "",
    next ? className(next) : "",
    next?.probability,
    Math.round(milliseconds),
    content.model ? `${content.model.name} ${content.model.version}` : "",
    content.request_id,
    "",
  ];
}

function cell(value) {
  const text = String(value ?? "");
  const safe = typeof value !== "number" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n\t']/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
