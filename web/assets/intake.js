import { byId } from "./dom.js";

/**
 * Call back with the files that are chosen, photographed, dropped or pasted.
 *
 * Files that are not images are passed on too, so that they can be reported.
 *
 * @param {function(File[], number): void} onFiles the files, and how many folders were left out
 * @param {function(string): void} onNothing called with an error code if there is no file
 */
export function onImages(onFiles, onNothing) {
  for (const id of ["file", "camera"]) {
    const input = byId(id);
    input.addEventListener("change", () => {
      if (input.files.length) onFiles([...input.files], 0);
      input.value = ""; // so that the same file can be chosen again
    });
  }
  document.addEventListener("paste", (event) => {
    const data = event.clipboardData;
    if (isTextForField(event, data) || !data?.types.length) return;
    if (data.files.length) onFiles([...data.files], 0);
    else onNothing("nothing_pasted");
  });
  acceptDrops((data) => {
    const { files, folders } = contentOf(data);
    if (files.length) onFiles(files, folders);
    else if (folders) onNothing("folder");
    else onNothing(isOfAnotherSite(data) ? "image_of_another_site" : "nothing_dropped");
  });
}

/** Leave text for an input to the browser. A spreadsheet's cell has text and an image of it. */
function isTextForField(event, data) {
  return data?.types.includes("text/plain") && event.target.matches?.("input:not([type=file])");
}

function contentOf(data) {
  const items = [...(data?.items ?? [])].filter(({ kind }) => kind === "file");
  const isFolder = (item) => item.webkitGetAsEntry?.()?.isDirectory ?? false;
  const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile()).filter(Boolean);
  return { files, folders: items.filter(isFolder).length };
}

/** An image or a link that was dragged out of a page has an address instead of a file. */
function isOfAnotherSite(data) {
  return ["text/uri-list", "text/html"].some((type) => data?.types.includes(type));
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
    take(event.dataTransfer);
  });
}
