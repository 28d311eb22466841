import { wait } from "./format.js";

const LATER = "Try again in a moment.";
const REPORT = "Try again. If the error remains, contact the operator of this site with the details below.";
const OTHER_IMAGE = "Choose another image: a JPEG, PNG or WebP.";

/**
 * Title and advice by error code; other codes use the text of their status.
 *
 * `again`: another try needs nothing but time or a connection. For other errors something must
 * change.
 */
const BY_CODE = {
  no_key: { title: "The API key is missing", advice: "Enter the API key below the image. The image is then sent automatically." },
  not_an_image: { title: "This browser cannot read the file as an image", advice: OTHER_IMAGE },
  folder: { title: "A folder cannot be classified", advice: "Open the folder, select its images, and drop those." },
  image_of_another_site: { title: "This image is on another site", advice: "This page loads nothing from other sites. Save the image to a file and drop that, or copy the image and paste it here." },
  nothing_dropped: { title: "That was not an image", advice: "Drop image files, or choose them with the button." },
  nothing_pasted: { title: "The clipboard has no image", advice: "Copy an image and paste it again, or choose a file." },
  camera_denied: { title: "The browser does not allow the camera", advice: "Allow the camera for this site in the browser's settings, then open it again." },
  camera_missing: { title: "No camera was found", advice: "Connect a camera, or choose a file." },
  camera_failed: { title: "The camera cannot be used", advice: "Close other programs that use it, then open it again." },
  sample_missing: { title: "The sample cannot be loaded", advice: "Load the page again." },
  stopped: { title: "Stopped before it was sent", advice: "Try again to send this image.", again: true },
  unreachable: { title: "The site cannot be reached", advice: "Check your connection, then try again.", again: true },
  timeout: { title: "The API did not respond in time", advice: LATER, again: true },
  invalid_api_key: { title: "The API key is not right", advice: "Check the key for missing or additional characters, and enter it again." },
  blocked_by_firewall: { title: "The site's firewall stopped the request", advice: "Wait a minute, then try again.", again: true },
  address_not_allowed: { title: "The API does not accept requests from your network", advice: "Contact the operator of this site to allow your address." },
  route_not_found: { title: "This page and the API do not fit together", advice: "Load the page again." },
  quota_exceeded: { title: "Today's requests of this key are used up", advice: "Try again tomorrow, or request a larger quota." },
  upload_failed: { title: "The image could not be uploaded", advice: "Check your connection, then try again.", again: true },
  upload_not_found: { title: "The uploaded image is gone", advice: "Try again to upload it again.", again: true },
  uploads_access_denied: { title: "The site is set up wrongly", advice: "Contact the operator of this site: the API may not use its uploads." },
  uploads_unavailable: { title: "Uploads are not available right now", advice: LATER, again: true },
  throttled: { title: "Too many images at once", advice: LATER, again: true },
  overloaded: { title: "The model is busy", advice: LATER, again: true },
  image_too_large: { title: "The image has too many pixels", advice: "Choose a smaller image." },
  unreadable_image: { title: "The image is damaged", advice: "Open it in an image viewer and save it again, or choose another." },
  endpoint_not_responding: { title: "The model does not respond", advice: LATER, again: true },
  endpoint_starting: { title: "The model is still starting", advice: LATER, again: true },
  model_not_ready: { title: "The model is still starting", advice: LATER, again: true },
  invalid_endpoint_response: { title: "The model returned an invalid response", advice: REPORT, again: true },
  endpoint_missing: { title: "The model is not deployed", advice: "Contact the operator of this site to deploy it." },
  endpoint_paused: { title: "The model is paused", advice: "Nothing is wrong with the image. The operator of this site has paused the model and can resume it." },
  endpoint_access_denied: { title: "The site is set up wrongly", advice: "Contact the operator of this site: the API may not invoke the model." },
};

const BY_STATUS = {
  400: { title: "The API did not understand the request", advice: "Load the page again, then choose the image again." },
  403: { title: "The API refused the request", advice: "Check the API key. If it is right, your address may not be allowed here." },
  404: BY_CODE.route_not_found,
  408: { title: "Sending the image took too long", advice: "Check your connection, then try again.", again: true },
  413: { title: "The image is too large", advice: "Choose a smaller image." },
  415: { title: "The model does not support this image format", advice: OTHER_IMAGE },
  422: BY_CODE.unreadable_image,
  429: BY_CODE.throttled,
  500: { title: "Something went wrong at the site", advice: REPORT, again: true },
  502: BY_CODE.invalid_endpoint_response,
  503: { title: "The model is not available right now", advice: LATER, again: true },
  504: { title: "The model did not respond in time", advice: LATER, again: true },
};

const UNKNOWN = { title: "Something unexpected happened", advice: REPORT, again: true };

/**
 * Explain an error to the user, with what to do.
 *
 * @param {{status: ?number, code: ?string, message: string, requestId: ?string,
 *   retryAfterSeconds: ?number}} error
 * @returns {{title: string, advice: string, details: string, again: boolean}} `details` is for a
 *   bug report; `again`: the same request may succeed if it is sent again
 */
export function explain(error) {
  const { title, advice: usual, again = false } = BY_CODE[error.code] ?? BY_STATUS[error.status] ?? UNKNOWN;
  const seconds = error.retryAfterSeconds;
  const advice = seconds > 0 && usual === LATER ? `Wait ${wait(seconds)}, then try again.` : usual;
  const details = [
    error.status === null ? null : `Status ${error.status}`,
    error.code,
    error.requestId ? `request ${error.requestId}` : null,
    error.message || null,
  ];
  return { title, advice, details: details.filter((part) => part).join(" · "), again };
}
