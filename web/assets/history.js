import { byId, element } from "./dom.js";
import { className, percentage } from "./format.js";

const MAX_ENTRIES = 24;

/**
 * Add an image and its result to the top of the history, which is not stored.
 *
 * @param {Blob} image as it was sent
 * @param {{content: object}} result
 * @param {function(Blob, object): void} onChosen called with both when the entry is chosen
 */
export function addToHistory(image, result, onChosen) {
  const [best] = result.content.predictions;
  const thumbnail = element("img", { alt: "", width: "96", height: "96" });
  thumbnail.src = URL.createObjectURL(image);
  const button = element(
    "button",
    { type: "button", class: "entry" },
    thumbnail,
    element("span", { class: "label", dir: "auto" }, className(best)),
    element("span", { class: "hint" }, percentage(best.probability)),
  );
  button.addEventListener("click", () => onChosen(image, result));
  const list = byId("history");
  list.prepend(element("li", {}, button));
  while (list.children.length > MAX_ENTRIES) {
    URL.revokeObjectURL(list.lastElementChild.querySelector("img").src);
    list.lastElementChild.remove();
  }
  byId("history-section").hidden = false;
}
