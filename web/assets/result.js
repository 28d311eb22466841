import { examples, uploadExamples } from "./code.js";
import { byId, element } from "./dom.js";
import { className, duration, percentage, size } from "./format.js";
import { isUnsure, model } from "./model.js";

/** Show the predictions for an image of the session. */
export function showResult({ file, image, result }, settings) {
  const { predictions } = result.content;
  byId("predictions").replaceChildren(...predictions.map(bar));
  const unsure = byId("unsure");
  unsure.hidden = !isUnsure(predictions[0]);
  unsure.textContent = unsure.hidden ? "" : `Unsure: usually this model is more certain of its first label (${percentage(model.baseline.mean)} on average of its test images).`;
  const before = image.blob === file ? "" : ` (from ${size(file.size)})`;
  const sent = `${image.width} × ${image.height}, ${size(image.blob.size)}${before}`;
  byId("measurements").textContent = `Response in ${duration(result.milliseconds)} · sent ${sent}`;
  byId("snippets").replaceChildren((image.isUpload ? uploadExamples : examples)(settings, image.blob.type));
}

function bar(prediction) {
  const filled = element("div", { class: "filled" });
  // Not a style attribute: the content security policy blocks inline styles.
  filled.style.width = `${prediction.probability * 100}%`;
  return element(
    "li",
    {},
    element("span", { class: "label", dir: "auto" }, className(prediction)),
    element("span", { class: "percentage" }, percentage(prediction.probability)),
    element("div", { class: "track", "aria-hidden": "true" }, filled),
  );
}
