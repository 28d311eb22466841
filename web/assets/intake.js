import { byId } from "./dom.js";

/**
 * Call back with each picture that is chosen, photographed, dropped or pasted.
 *
 * A file that is no picture is handed over too: who is called back can say so.
 */
export function onPicture(callback) {
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

/** Text for a field is the browser's; a spreadsheet's cell comes with a picture of itself beside. */
function isTextForField(event, data) {
  return data?.types.includes("text/plain") && event.target.matches?.("input:not([type=file])");
}

function acceptDrops(take) {
  const zone = byId("drop");
  const highlight = (on) => zone.classList.toggle("over", on);
  // The whole page takes a drop: beside the zone the browser would leave the page for the file.
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
