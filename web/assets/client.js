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
 * Classify an image.
 *
 * @param {{apiBase: string, topK: number}} settings
 * @param {string} key the API key
 * @param {Blob} image
 * @param {AbortSignal} signal aborts the request
 * @returns {Promise<{content: object, milliseconds: number}>} the response's JSON and its latency
 * @throws {ApiError} no response, an error response or an invalid one
 */
export async function predict(settings, key, image, signal) {
  if (!SENDABLE_KEY.test(key)) throw new ApiError({ status: 403, code: "invalid_api_key" });
  const began = performance.now();
  const { response, content } = await send(`${settings.apiBase}/predict?top_k=${settings.topK}`, {
    method: "POST",
    headers: { "Content-Type": image.type, "X-Api-Key": key },
    body: image,
    cache: "no-store",
  }, signal);
  const milliseconds = performance.now() - began;
  if (!response.ok) throw refusal(response, content);
  if (!isUsable(content?.predictions)) {
    throw new ApiError({ status: response.status, code: "invalid_endpoint_response" });
  }
  return { content, milliseconds };
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

async function send(address, options, signal) {
  // Not AbortSignal.any, which browsers of 2023 lack.
  const ending = new AbortController();
  const end = () => ending.abort();
  signal.addEventListener("abort", end);
  const timer = setTimeout(end, TIMEOUT_MILLISECONDS);
  try {
    const response = await fetch(address, { ...options, signal: ending.signal });
    return { response, content: parse(await response.text()) };
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError({ code: ending.signal.aborted ? "timeout" : "unreachable" });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
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
