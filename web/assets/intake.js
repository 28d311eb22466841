import { byId } from "./dom.js";

/**
 * Call back with each file that is chosen, photographed, dropped or pasted.
 *
 * Files that are not images are passed on too, so that the callback can report them.
 */
export function onImage(callback) {
  const take = (files) => {
    const [first] = files;
    if (first) callback(first);
  };
  for (const id of ["file", "camera"]) {
    const input = byId(id);
    input.addEventListener("change", () => {
      take(input.files);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    if (!isTextForField(event, event.clipboardData)) take(event.clipboardData?.files ?? []);
  });
  acceptDrops(take);
}

/** Leave text for an input to the browser. A spreadsheet's cell has text and an image of it. */
function isTextForField(event, data) {
  return data?.types.includes("text/plain") && event.target.matches?.("input:not([type=file])");
}

function acceptDrops(take) {
  const zone = byId("drop");
  const highlight = (on) => zone.classList.toggle("over", on);
  // On the whole page: outside the zone the browser would open the file instead of the page.
  document.addEventListener("dragover", (event) => {
    if (isTextForField(event, event.dataTransfer)) return;
    event.preventDefault();
    highlight(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) highlight(false);
  });
  document.addEventListener("drop", (event) => {
    highlight(false);
    if (isTextForField(event, event.dataTransfer)) return;
    event.preventDefault();
    take(event.dataTransfer?.files ?? []);
  });
}
