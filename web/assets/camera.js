import { ApiError } from "./client.js";
import { byId } from "./dom.js";

const JPEG_QUALITY = 0.92;
const CODES = { NotAllowedError: "camera_denied", NotFoundError: "camera_missing", OverconstrainedError: "camera_missing" };

const dialog = byId("camera-dialog");
const video = byId("camera-video");
const take = byId("camera-take");
let photos = 0;

/**
 * Offer the camera where the browser has one to offer.
 *
 * On phones the file field opens the camera instead, which takes better photos.
 *
 * @param {function(File): void} onPhoto
 * @param {function(ApiError): void} onError
 */
export function offerCamera(onPhoto, onError) {
  const open = byId("camera-open");
  const isPhone = window.matchMedia("(pointer: coarse)").matches;
  open.hidden = isPhone || !navigator.mediaDevices?.getUserMedia;
  open.addEventListener("click", async () => {
    take.disabled = true;
    dialog.showModal();
    try {
      await start();
    } catch (error) {
      if (!dialog.open) return; // closed while the camera started
      dialog.close();
      onError(new ApiError({ code: CODES[error.name] ?? "camera_failed", message: String(error) }));
    }
  });
  take.addEventListener("click", async () => {
    take.disabled = true; // a second click would take a second photo
    const photo = await capture();
    dialog.close();
    onPhoto(photo);
  });
  byId("camera-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", stop); // by the key Escape, too
}

let openings = 0;

async function start() {
  const opening = (openings += 1);
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: "environment", width: { ideal: 1920 }, height: { ideal: 1080 } },
  });
  // Closed while the browser waited for permission, perhaps opened again.
  if (!dialog.open || opening !== openings) {
    for (const track of stream.getTracks()) track.stop();
    return;
  }
  video.srcObject = stream;
  await video.play();
  take.disabled = false;
}

function stop() {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

async function capture() {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY); });
  return new File([blob], `camera-${(photos += 1)}.jpg`, { type: "image/jpeg" });
}
