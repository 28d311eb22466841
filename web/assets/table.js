import { download, toCsv } from "./csv.js";
import { byId, element } from "./dom.js";
import { className, duration, percentage } from "./format.js";
import { isUnsure } from "./model.js";
import { explain } from "./problems.js";
import { isWorthAnotherTry } from "./session.js";

const STATES = { waiting: "Waiting", working: "Classifying …" };
const body = byId("session");
const rows = new Map();

/** Let the buttons stop the session, send its failed images again, and download it as CSV. */
export function offerActions(session) {
  for (const [id, act] of [["stop", () => session.stop()], ["retry-failed", () => session.retryFailed()]]) {
    byId(id).addEventListener("click", () => {
      byId("session-heading").focus(); // the button is hidden and would lose the focus
      act();
    });
  }
  byId("csv").addEventListener("click", () => download("whippet.csv", toCsv(session.images)));
}

/**
 * Show an image's state in the table, in a new row if it has none.
 *
 * @param {object} image of the session
 * @param {object} session
 * @param {function(object): void} onChosen called with the image when its row is chosen
 */
export function showRow(image, session, onChosen) {
  if (!rows.has(image)) rows.set(image, addRow(image, onChosen));
  const row = rows.get(image);
  if (image.address && !row.thumbnail.src) {
    row.thumbnail.src = image.address;
    row.thumbnail.hidden = false;
  }
  row.line.className = image.state;
  const cells = image.state === "done" ? resultCells(image) : [stateOf(image), "", "", ""];
  row.cells.forEach((cell, index) => cell.replaceChildren(cells[index]));
  showHead(session);
}

/** Mark the row of the image whose result is shown. */
export function markRow(image) {
  for (const [each, { button }] of rows) {
    if (each === image) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function addRow(image, onChosen) {
  const thumbnail = element("img", { alt: "", width: "44", height: "44", draggable: "false", loading: "lazy", hidden: "" });
  const name = element("bdi", { class: "name" }, image.file.name);
  const button = element("button", { type: "button", class: "entry" }, thumbnail, name);
  button.addEventListener("click", () => onChosen(image));
  const kinds = ["label", "number", "wide label", "wide number"];
  const cells = kinds.map((kind) => element("td", { class: kind }));
  const line = element("tr", {}, element("th", { scope: "row" }, button), ...cells);
  body.append(line);
  return { line, thumbnail, button, cells };
}

function resultCells({ result }) {
  const [best, next] = result.content.predictions;
  const label = element("span", {}, element("bdi", {}, className(best)));
  if (isUnsure(best)) label.append(" ", element("span", { class: "tag" }, "unsure"));
  const second = next ? element("span", {}, element("bdi", {}, className(next)), ` ${percentage(next.probability)}`) : "–";
  return [label, percentage(best.probability), second, duration(result.milliseconds)];
}

function stateOf({ state, error }) {
  return state === "failed" ? explain(error).title : STATES[state];
}

function showHead({ images }) {
  const finished = images.filter(({ state }) => state === "done" || state === "failed").length;
  const count = `${images.length} image${images.length === 1 ? "" : "s"}`;
  byId("session-heading").textContent =
    finished < images.length ? `This session: ${finished} of ${count}` : `This session: ${count}`;
  byId("stop").hidden = !images.some(({ state }) => state === "waiting");
  byId("retry-failed").hidden = images.filter(isWorthAnotherTry).length < 2; // one has its own button
  byId("csv").hidden = finished === 0;
  byId("session-section").hidden = images.length === 0;
}
