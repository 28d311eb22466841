import { predict, ApiError } from "./client.js";
import { byId, element, showModel } from "./dom.js";
import { className, duration, percentage, size } from "./format.js";
import { addToHistory } from "./history.js";
import { onPicture } from "./intake.js";
import { key } from "./key.js";
import { prepare, UnreadablePictureError } from "./picture.js";
import { explain } from "./problems.js";

const settings = window.WHIPPET;
const panes = ["waiting", "working", "answer", "problem"];

/** The picture at hand, and the request that is under way for it. */
let file = null;
let request = new AbortController();

function show(pane) {
  for (const id of panes) byId(id).hidden = id !== pane;
  // On a phone the answer lies below the picture; where it is in sight nothing moves.
  if (pane !== "waiting") byId(pane).scrollIntoView({ block: "nearest" });
}

function showProblem(error) {
  const { title, advice, details } = explain(error);
  byId("problem-title").textContent = title;
  byId("problem-advice").textContent = advice;
  byId("problem-details").textContent = details;
  byId("announcement").textContent = ""; // the problem is an alert by itself
  byId("again").hidden = error.code === "no_key" || error.code === "not_a_picture";
  key.markAsWrong(error.code === "no_key" || error.code === "invalid_api_key");
  show("problem");
}

function bar(prediction) {
  const filled = element("div", { class: "filled" });
  // Not a style attribute: the content security policy knows no inline styles.
  filled.style.width = `${prediction.probability * 100}%`;
  return element(
    "li",
    {},
    element("span", { class: "label", dir: "auto" }, className(prediction)),
    element("span", { class: "percentage" }, percentage(prediction.probability)),
    element("div", { class: "track", "aria-hidden": "true" }, filled),
  );
}

function showAnswer({ answer, measurements }) {
  byId("predictions").replaceChildren(...answer.predictions.map(bar));
  byId("measurements").textContent = measurements;
  const [best] = answer.predictions;
  byId("announcement").textContent = `${className(best)}, ${percentage(best.probability)}`;
  show("answer");
}

function showPreview(picture) {
  const preview = byId("preview");
  URL.revokeObjectURL(preview.src);
  preview.src = URL.createObjectURL(picture);
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
  byId("announcement").textContent = "Looking at the picture";
  show("working");
  try {
    const picture = await prepare(file, settings.inputPixels, settings.maxBytes);
    if (signal.aborted) return;
    showPreview(picture.blob);
    if (!key.value) throw new ApiError({ code: "no_key" });
    const { answer, milliseconds } = await predict(settings, key.value, picture.blob, signal);
    const sent = `${picture.width} × ${picture.height}, ${size(picture.blob.size)}`;
    const before = picture.blob === file ? "" : ` (from ${size(file.size)})`;
    const result = {
      answer,
      measurements: `Answered in ${duration(milliseconds)} · sent ${sent}${before}`,
    };
    key.markAsWrong(false);
    showAnswer(result);
    addToHistory(picture.blob, result, (blob, earlier) => {
      request.abort();
      file = blob;
      showPreview(blob);
      showAnswer(earlier);
    });
  } catch (error) {
    if (signal.aborted) return; // another picture was chosen meanwhile
    if (error instanceof UnreadablePictureError) {
      showInvitation(); // not the picture before this file
      showProblem(new ApiError({ code: "not_a_picture" }));
    } else if (error instanceof ApiError) {
      showProblem(error);
    } else {
      showProblem(new ApiError({ message: String(error) })); // a wheel would turn for ever
      throw error;
    }
  }
}

showModel(settings);
onPicture((chosen) => {
  file = chosen;
  classify();
});
key.onChange(() => {
  // An answer that stands needs no other key: asking again would cost another request.
  if (file !== null && byId("answer").hidden) classify();
});
byId("again").addEventListener("click", () => {
  byId("answer-heading").focus(); // the button goes, and would take the focus with it
  classify();
});
