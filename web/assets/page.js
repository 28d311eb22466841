import { predict, ApiError } from "./client.js";
import { byId, element, showModel } from "./dom.js";
import { className, duration, percentage, size } from "./format.js";
import { addToHistory } from "./history.js";
import { onImage } from "./intake.js";
import { key } from "./key.js";
import { prepare, UnreadableImageError } from "./image.js";
import { explain } from "./problems.js";

const settings = window.WHIPPET;
const panes = ["waiting", "working", "result", "problem"];

/** The current image, and the request in progress for it. */
let file = null;
let request = new AbortController();

function show(pane) {
  for (const id of panes) byId(id).hidden = id !== pane;
  // On a phone the result is below the image; if it is visible nothing scrolls.
  if (pane !== "waiting") byId(pane).scrollIntoView({ block: "nearest" });
}

function showProblem(error) {
  const { title, advice, details } = explain(error);
  byId("problem-title").textContent = title;
  byId("problem-advice").textContent = advice;
  byId("problem-details").textContent = details;
  byId("announcement").textContent = ""; // the problem has the role alert
  byId("again").hidden = error.code === "no_key" || error.code === "not_an_image";
  key.markAsWrong(error.code === "no_key" || error.code === "invalid_api_key");
  show("problem");
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

function showResult({ content, measurements }) {
  byId("predictions").replaceChildren(...content.predictions.map(bar));
  byId("measurements").textContent = measurements;
  const [best] = content.predictions;
  byId("announcement").textContent = `${className(best)}, ${percentage(best.probability)}`;
  show("result");
}

function showPreview(image) {
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(image);
  preview.hidden = false;
  byId("invitation").hidden = true;
}

function showInvitation() {
  byId("preview").hidden = true;
  byId("invitation").hidden = false;
}

async function classify() {
  request.abort();
  request = new AbortController();
  const { signal } = request;
  byId("announcement").textContent = "Classifying the image";
  show("working");
  try {
    const image = await prepare(file, settings.inputPixels, settings.maxBytes);
    if (signal.aborted) return;
    showPreview(image.blob);
    if (!key.value) throw new ApiError({ code: "no_key" });
    const { content, milliseconds } = await predict(settings, key.value, image.blob, signal);
    const sent = `${image.width} × ${image.height}, ${size(image.blob.size)}`;
    const before = image.blob === file ? "" : ` (from ${size(file.size)})`;
    const result = {
      content,
      measurements: `Response in ${duration(milliseconds)} · sent ${sent}${before}`,
    };
    key.markAsWrong(false);
    showResult(result);
    addToHistory(image.blob, result, (blob, earlier) => {
      request.abort();
      file = blob;
      showPreview(blob);
      showResult(earlier);
    });
  } catch (error) {
    if (signal.aborted) return; // another image was chosen
    if (error instanceof UnreadableImageError) {
      showInvitation(); // hide the previous image
      showProblem(new ApiError({ code: "not_an_image" }));
    } else if (error instanceof ApiError) {
      showProblem(error);
    } else {
      showProblem(new ApiError({ message: String(error) })); // otherwise the spinner would not stop
      throw error;
    }
  }
}

showModel(settings);
onImage((chosen) => {
  file = chosen;
  classify();
});
key.onChange(() => {
  // With a result a new key needs no new request.
  if (file !== null && byId("result").hidden) classify();
});
byId("again").addEventListener("click", () => {
  byId("result-heading").focus(); // the button is hidden and would lose the focus
  classify();
});
