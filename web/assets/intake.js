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
  document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
  acceptDrops(take);
}

function acceptDrops(take) {
  const zone = byId("drop");
  const highlight = (on) => zone.classList.toggle("over", on);
  // The whole page takes a drop: beside the zone the browser would leave the page for the file.
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    highlight(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) highlight(false);
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    highlight(false);
    take(event.dataTransfer?.files ?? []);
  });
}
