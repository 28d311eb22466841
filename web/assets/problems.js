import { wait } from "./format.js";

const LATER = "Try again in a moment.";
const REPORT = "Try again. If it stays, tell whoever runs this site, with the details below.";
const OTHER_PICTURE = "Choose another picture: a JPEG, PNG or WebP.";

/** By the code of the API's errors; what is not here is explained by its status. */
const BY_CODE = {
  no_key: ["The API key is missing", "Enter the API key below the picture. The picture is then sent by itself."],
  not_a_picture: ["That is not a picture that this browser can read", OTHER_PICTURE],
  unreachable: ["The site cannot be reached", "Check your connection, then try again."],
  timeout: ["No answer came in time", LATER],
  invalid_api_key: ["The API key is not right", "Check the key for missing or additional characters, and enter it again."],
  blocked_by_firewall: ["The site's firewall stopped the request", "Wait a minute, then try again."],
  address_not_allowed: ["The API does not answer your network", "Ask whoever runs this site to allow your address."],
  route_not_found: ["This page and the API do not fit together", "Load the page again."],
  quota_exceeded: ["Today's requests of this key are used up", "Come back tomorrow, or ask for a larger quota."],
  throttled: ["Too many pictures at once", LATER],
  overloaded: ["The model is busy", LATER],
  image_too_large: ["The picture has too many pixels", "Choose a smaller picture."],
  unreadable_image: ["The picture is damaged", "Open it in a picture viewer and save it again, or choose another."],
  model_not_ready: ["The model is still starting", LATER],
  invalid_endpoint_response: ["The model gave no usable answer", REPORT],
  endpoint_missing: ["The model is not deployed", "Ask whoever runs this site to deploy it."],
  endpoint_access_denied: ["The site is set up wrongly", "Tell whoever runs it: the API may not call the model."],
};

const BY_STATUS = {
  400: ["The API did not understand the request", "Load the page again, then choose the picture again."],
  403: ["The API refused the request", "Check the API key. If it is right, your address may not be allowed here."],
  404: BY_CODE.route_not_found,
  408: ["Sending the picture took too long", "Check your connection, then try again."],
  413: ["The picture is too large", "Choose a smaller picture."],
  415: ["That is not a picture that the model knows", OTHER_PICTURE],
  422: BY_CODE.unreadable_image,
  429: BY_CODE.throttled,
  500: ["Something went wrong at the site", REPORT],
  502: BY_CODE.invalid_endpoint_response,
  503: ["The model is not available right now", LATER],
  504: ["The model did not answer in time", LATER],
};

const UNKNOWN = ["Something unexpected happened", REPORT];

/**
 * Put an error in plain words, with what to do.
 *
 * @param {{status: ?number, code: ?string, message: string, requestId: ?string,
 *   retryAfterSeconds: ?number}} error
 * @returns {{title: string, advice: string, details: string}} `details` is what to quote
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
  return { title, advice, details: details.filter((part) => part).join(" · ") };
}
