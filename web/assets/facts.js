import { byId, element } from "./dom.js";
import { number, percentage } from "./format.js";

const MAX_NAMED = 5;
const MAX_CHARACTERS = 24;

/** Say what the model knows and how good it is, and offer the list of its labels. */
export function showFacts({ labels, accuracy }) {
  byId("known").replaceChildren(...known(labels));
  byId("right").textContent = accuracy ? right(accuracy) : "";
  const open = byId("labels-open");
  open.hidden = labels.length <= MAX_NAMED;
  open.textContent = "all labels";
  open.addEventListener("click", () => showLabels(labels));
}

function known(labels) {
  if (labels.length === 0) return [];
  const named = labels.slice(0, MAX_NAMED).flatMap((label, index) => [index ? ", " : "", element("bdi", {}, shorten(label))]);
  return [`Knows ${number(labels.length)} labels: `, ...named, labels.length > MAX_NAMED ? " …" : "."];
}

function right({ share, images }) {
  return `Right on ${percentage(share)} of ${number(images)} images that it had not seen.`;
}

function shorten(label) {
  const characters = [...label];
  return characters.length > MAX_CHARACTERS ? `${characters.slice(0, MAX_CHARACTERS - 1).join("")}…` : label;
}

function showLabels(labels) {
  const dialog = byId("labels");
  const search = byId("labels-search");
  const show = () => {
    const wanted = plain(search.value.trim());
    const found = labels.filter((label) => plain(label).includes(wanted));
    byId("labels-list").replaceChildren(...found.map((label) => element("li", { dir: "auto" }, label)));
    byId("labels-count").textContent =
      found.length === labels.length ? `${number(labels.length)} labels` : `${number(found.length)} of ${number(labels.length)} labels`;
  };
  search.value = "";
  search.oninput = show;
  byId("labels-close").onclick = () => dialog.close();
  show();
  dialog.showModal();
  search.focus();
}

/** A text without case and accents, to compare. */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();
}
