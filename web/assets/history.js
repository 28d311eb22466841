import { byId, element } from "./dom.js";
import { className, percentage } from "./format.js";

const MOST_ENTRIES = 24;

/**
 * Put a picture and its answer first among those of this session, which are kept nowhere else.
 *
 * @param {Blob} picture as it was sent
 * @param {{answer: object}} result
 * @param {function(Blob, object): void} onChosen called with both when the entry is chosen again
 */
export function addToHistory(picture, result, onChosen) {
  const [best] = result.answer.predictions;
  const thumbnail = element("img", { alt: "", width: "96", height: "96" });
  thumbnail.src = URL.createObjectURL(picture);
  const button = element(
    "button",
    { type: "button", class: "entry" },
    thumbnail,
    element("span", { class: "label", dir: "auto" }, className(best)),
    element("span", { class: "hint" }, percentage(best.probability)),
  );
  button.addEventListener("click", () => onChosen(picture, result));
  const list = byId("history");
  list.prepend(element("li", {}, button));
  while (list.children.length > MOST_ENTRIES) {
    URL.revokeObjectURL(list.lastElementChild.querySelector("img").src);
    list.lastElementChild.remove();
  }
  byId("history-section").hidden = false;
}
