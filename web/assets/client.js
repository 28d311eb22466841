// The API's own limit is 29 seconds.
const TIMEOUT_MILLISECONDS = 32_000;
const SENDABLE_KEY = /^[\x21-\x7e]+$/;

/**
 * An error response of the API, or a failed request.
 *
 * `status` is null without a response; `code` and `requestId` are null if the response has none;
 * `retryAfterSeconds` is null without a Retry-After header.
 */
export class ApiError extends Error {
  constructor({ status = null, code = null, message = "", requestId = null, retryAfterSeconds = null }) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfterSeconds });
  }
}

/**
 * Upload an image that is too large for a request.
 *
 * @param {{apiBase: string}} settings
 * @param {string} key the API key
 * @param {Blob} image
 * @returns {Promise<string>} what `predict` names the image by; it is valid once
 * @throws {ApiError} no response or an error response, of the API or of S3
 */
export async function upload(settings, key, image) {
  if (!SENDABLE_KEY.test(key)) throw new ApiError({ status: 403, code: "invalid_api_key" });
  const { response, content } = await send(`${settings.apiBase}/uploads`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Api-Key": key },
    body: JSON.stringify({ content_type: image.type, content_length: image.size }),
    cache: "no-store",
  });
  if (!response.ok) throw refusal(response, content);
  await put(content, image);
  return content.key;
}

/** Send the image to the address; its length is the header that the browser writes itself. */
async function put({ url, headers, expires_in_seconds: seconds }, image) {
  const options = { method: "PUT", headers: { "Content-Type": headers["Content-Type"] }, body: image };
  try {
    const { response } = await send(url, options, seconds * 1000);
    if (!response.ok) throw new ApiError({ status: response.status, code: "upload_failed" });
  } catch (error) {
    throw new ApiError({ status: error.status ?? null, code: "upload_failed" });
  }
}

/**
 * Classify an image.
 *
 * @param {{apiBase: string, topK: number}} settings
 * @param {string} key the API key
 * @param {Blob} image
 * @param {?string} uploaded of `upload`; null: the image is in the request
 * @returns {Promise<{content: object, milliseconds: number}>} the response's JSON and its latency
 * @throws {ApiError} no response, an error response or an invalid one
 */
export async function predict(settings, key, image, uploaded = null) {
  if (!SENDABLE_KEY.test(key)) throw new ApiError({ status: 403, code: "invalid_api_key" });
  const began = performance.now();
  const { response, content } = await send(`${settings.apiBase}/predict?top_k=${settings.topK}`, {
    method: "POST",
    headers: { "Content-Type": uploaded ? "application/json" : image.type, "X-Api-Key": key },
    body: uploaded ? JSON.stringify({ s3: uploaded }) : image,
    cache: "no-store",
  });
  const milliseconds = performance.now() - began;
  if (!response.ok) throw refusal(response, content);
  if (!isUsable(content?.predictions)) {
    throw new ApiError({ status: response.status, code: "invalid_endpoint_response" });
  }
  return { content, milliseconds };
}

/**
 * Check with the API whether a key is valid, by a request that has no image and reaches no model.
 *
 * @returns {Promise<?boolean>} null if the API did not say, such as without a connection
 */
export async function isValidKey(settings, key) {
  if (!SENDABLE_KEY.test(key)) return false;
  const headers = { "Content-Type": "image/png", "X-Api-Key": key };
  try {
    const { response, content } = await send(`${settings.apiBase}/predict`, { method: "POST", headers, cache: "no-store" });
    if (response.status === 400) return true; // the key was accepted, an image is missing
    return content?.error?.code === "invalid_api_key" ? false : null;
  } catch {
    return null;
  }
}

/** Whether there is at least one prediction, and each has a label, an index and a probability. */
function isUsable(predictions) {
  return (
    Array.isArray(predictions) &&
    predictions.length > 0 &&
    predictions.every(
      (prediction) =>
        typeof prediction?.label === "string" &&
        Number.isInteger(prediction.index) &&
        typeof prediction.probability === "number" &&
        prediction.probability >= 0 &&
        prediction.probability <= 1,
    )
  );
}

async function send(address, options, timeoutMilliseconds = TIMEOUT_MILLISECONDS) {
  // Not AbortSignal.timeout, which older browsers lack.
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), timeoutMilliseconds);
  try {
    const response = await fetch(address, { ...options, signal: ending.signal });
    return { response, content: parse(await response.text()) };
  } catch {
    throw new ApiError({ code: ending.signal.aborted ? "timeout" : "unreachable" });
  } finally {
    clearTimeout(timer);
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // plain text or HTML: only the status is used
  }
}

function refusal(response, content) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError({
    status: response.status,
    code: content?.error?.code ?? null,
    message: content?.error?.message ?? "",
    requestId: content?.request_id ?? response.headers.get("x-amzn-requestid"),
    retryAfterSeconds: Number.isNaN(seconds) ? null : seconds,
  });
}
