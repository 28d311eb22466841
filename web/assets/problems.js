import { wait } from "./format.js";

const LATER = "Try again in a moment.";
const REPORT = "Try again. If the error remains, contact the operator of this site with the details below.";
const OTHER_IMAGE = "Choose another image: a JPEG, PNG or WebP.";

/** Title and advice by error code; other codes use the text of their status. */
const BY_CODE = {
  no_key: ["The API key is missing", "Enter the API key below the image. The image is then sent automatically."],
  not_an_image: ["This browser cannot read the file as an image", OTHER_IMAGE],
  folder: ["A folder cannot be classified", "Open the folder, select its images, and drop those."],
  image_of_another_site: ["This image is on another site", "This page loads nothing from other sites. Save the image to a file and drop that, or copy the image and paste it here."],
  nothing_dropped: ["That was not an image", "Drop image files, or choose them with the button."],
  nothing_pasted: ["The clipboard has no image", "Copy an image and paste it again, or choose a file."],
  camera_denied: ["The browser does not allow the camera", "Allow the camera for this site in the browser's settings, then open it again."],
  camera_missing: ["No camera was found", "Connect a camera, or choose a file."],
  camera_failed: ["The camera cannot be used", "Close other programs that use it, then open it again."],
  sample_missing: ["The sample cannot be loaded", "Load the page again."],
  unreachable: ["The site cannot be reached", "Check your connection, then try again."],
  timeout: ["The API did not respond in time", LATER],
  invalid_api_key: ["The API key is not right", "Check the key for missing or additional characters, and enter it again."],
  blocked_by_firewall: ["The site's firewall stopped the request", "Wait a minute, then try again."],
  address_not_allowed: ["The API does not accept requests from your network", "Contact the operator of this site to allow your address."],
  route_not_found: ["This page and the API do not fit together", "Load the page again."],
  quota_exceeded: ["Today's requests of this key are used up", "Try again tomorrow, or request a larger quota."],
  throttled: ["Too many images at once", LATER],
  overloaded: ["The model is busy", LATER],
  image_too_large: ["The image has too many pixels", "Choose a smaller image."],
  unreadable_image: ["The image is damaged", "Open it in an image viewer and save it again, or choose another."],
  endpoint_not_responding: ["The model does not respond", LATER],
  model_not_ready: ["The model is still starting", LATER],
  invalid_endpoint_response: ["The model returned an invalid response", REPORT],
  endpoint_missing: ["The model is not deployed", "Contact the operator of this site to deploy it."],
  endpoint_access_denied: ["The site is set up wrongly", "Contact the operator of this site: the API may not invoke the model."],
};

const BY_STATUS = {
  400: ["The API did not understand the request", "Load the page again, then choose the image again."],
  403: ["The API refused the request", "Check the API key. If it is right, your address may not be allowed here."],
  404: BY_CODE.route_not_found,
  408: ["Sending the image took too long", "Check your connection, then try again."],
  413: ["The image is too large", "Choose a smaller image."],
  415: ["The model does not support this image format", OTHER_IMAGE],
  422: BY_CODE.unreadable_image,
  429: BY_CODE.throttled,
  500: ["Something went wrong at the site", REPORT],
  502: BY_CODE.invalid_endpoint_response,
  503: ["The model is not available right now", LATER],
  504: ["The model did not respond in time", LATER],
};

const UNKNOWN = ["Something unexpected happened", REPORT];
/** Another try needs nothing but time or a connection. For other errors something must change. */
const HELPED_BY_ANOTHER_TRY = /(?:^|then )try again(?: in a moment)?\./i;

/**
 * Explain an error to the user, with what to do.
 *
 * @param {{status: ?number, code: ?string, message: string, requestId: ?string,
 *   retryAfterSeconds: ?number}} error
 * @returns {{title: string, advice: string, details: string, again: boolean}} `details` is for a
 *   bug report; `again`: the same request may succeed if it is sent again
 */
export function explain(error) {
  const [title, usual] = BY_CODE[error.code] ?? BY_STATUS[error.status] ?? UNKNOWN;
  const seconds = error.retryAfterSeconds;
  const advice = seconds > 0 && usual === LATER ? `Wait ${wait(seconds)}, then try again.` : usual;
  const details = [
    error.status === null ? null : `Status ${error.status}`,
    error.code,
    error.requestId ? `request ${error.requestId}` : null,
    error.message || null,
  ];
  return {
    title,
    advice,
    details: details.filter((part) => part).join(" · "),
    again: HELPED_BY_ANOTHER_TRY.test(usual),
  };
}
