import { offerCamera } from "./camera.js";
import { ApiError } from "./client.js";
import { byId, showModel } from "./dom.js";
import { showFacts } from "./facts.js";
import { className, percentage, wait } from "./format.js";
import { onImages } from "./intake.js";
import { key } from "./key.js";
import { loadModel, model } from "./model.js";
import { explain } from "./problems.js";
import { showResult } from "./result.js";
import { showSamples } from "./samples.js";
import { Session } from "./session.js";
import { markRow, offerActions, showRow } from "./table.js";

const settings = window.WHIPPET;
const panes = ["waiting", "working", "result", "problem"];
const session = new Session(settings, key, changed);

/** The image that is shown, or null; and the images that were last added together. */
let shown = null;
let batch = [];

function showPane(pane) {
  const isNew = byId(pane).hidden;
  for (const id of panes) byId(id).hidden = id !== pane;
  // On a phone the result is below the image; if it is visible nothing scrolls.
  if (pane !== "waiting" && isNew) byId(pane).scrollIntoView({ block: "nearest" });
}

function announce(text) {
  byId("announcement").textContent = text;
}

function showProblem(error, { again }) {
  const { title, advice, details } = explain(error);
  byId("problem-title").textContent = title;
  byId("problem-advice").textContent = advice;
  byId("problem-details").textContent = details;
  byId("again").hidden = !again;
  announce(""); // the problem has the role alert
  showPane("problem");
}

/** Report what is not about an image of the session. */
function showIntakeProblem(error) {
  show(null);
  showProblem(error, { again: false });
}

function showPreview(address) {
  const preview = byId("preview");
  preview.hidden = address === null;
  if (address !== null && preview.src !== address) preview.src = address;
  byId("invitation").hidden = address !== null;
}

function showWorking(image) {
  const seconds = Math.ceil((image.retryAt - performance.now()) / 1000);
  const text = seconds > 0 ? `${image.delay}. The next try is in ${wait(seconds)} …` : "Classifying the image …";
  byId("working-text").textContent = text;
  announce(text.replace(" …", ""));
  showPane("working");
}

/** Show an image of the session in its present state. */
function show(image) {
  shown = image;
  markRow(image);
  showPreview(image?.address ?? null);
  if (image === null) return;
  if (image.state === "done") {
    showResult(image, settings);
    const [best] = image.result.content.predictions;
    announce(`${className(best)}, ${percentage(best.probability)}`);
    showPane("result");
  } else if (image.state === "failed") {
    key.markAsWrong(["no_key", "invalid_api_key"].includes(image.error.code));
    showProblem(image.error, explain(image.error));
  } else {
    showWorking(image);
  }
}

/** Show an image that was chosen in the table, which is below the result on a phone. */
function showAndScroll(image) {
  show(image);
  const visible = panes.map(byId).find((pane) => !pane.hidden);
  visible.scrollIntoView({ block: "nearest" });
}

function changed(image) {
  showRow(image, session, showAndScroll);
  if (image.state === "done") key.markAsWrong(false);
  if (image === shown) show(image);
  if (batch.length > 1 && batch.every(({ state }) => state === "done" || state === "failed")) {
    const failed = batch.filter(({ state }) => state === "failed").length;
    announce(failed ? `${batch.length} images are done, ${failed} of them failed` : `${batch.length} images are done`);
    batch = [];
  }
}

function take(files, folders = 0) {
  const added = session.add(files);
  const notes = [];
  if (added.length < files.length) notes.push(`The session is full: ${files.length - added.length} images were left out. Download the CSV and load the page again.`);
  if (folders) notes.push(`${folders === 1 ? "A folder was" : `${folders} folders were`} left out: open it and drop its images.`);
  byId("notice").textContent = notes.join(" ");
  if (added.length === 0) return;
  batch = added;
  show(added[0]);
}

function takeSample(file) {
  if (file) take([file]);
  else showIntakeProblem(new ApiError({ code: "sample_missing" }));
}

showModel(settings);
if (settings.uploads) byId("large").textContent = "Large ones are made smaller before they are sent, or uploaded as they are.";
byId("samples-section").hidden = !settings.hasSamples;
loadModel(settings).then(() => {
  showFacts(model);
  showSamples(model.samples, takeSample);
  session.images.forEach(changed); // with what is known now, they may be unsure
});
onImages(take, (code) => showIntakeProblem(new ApiError({ code })));
offerCamera((photo) => take([photo]), showIntakeProblem);
offerActions(session);
key.onChange(() => {
  if (!session.retryWithNewKey()) key.check(settings);
});
if (key.isLinked) key.check(settings);
byId("again").addEventListener("click", () => {
  byId("result-heading").focus(); // the button is hidden and would lose the focus
  session.retry(shown);
});
