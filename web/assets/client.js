// The API's own limit is 29 seconds.
const TIMEOUT_MILLISECONDS = 32_000;
const SENDABLE_KEY = /^[\x21-\x7e]+$/;

/**
 * What went wrong, as the API or the way to it told it.
 *
 * `status` is null where no answer came; `code` and `requestId` are null where the answer names
 * none; `retryAfterSeconds` is null without such a header.
 */
export class ApiError extends Error {
  constructor({ status = null, code = null, message = "", requestId = null, retryAfterSeconds = null }) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfterSeconds });
  }
}

/**
 * Ask what is in a picture.
 *
 * @param {{apiBase: string, topK: number}} settings
 * @param {string} key the API key
 * @param {Blob} picture
 * @param {AbortSignal} signal ends the request when the answer is not wanted any more
 * @returns {Promise<{answer: object, milliseconds: number}>}
 * @throws {ApiError} anything but a usable answer
 */
export async function predict(settings, key, picture, signal) {
  if (!SENDABLE_KEY.test(key)) throw new ApiError({ status: 403, code: "invalid_api_key" });
  const began = performance.now();
  const { response, content } = await ask(`${settings.apiBase}/predict?top_k=${settings.topK}`, {
    method: "POST",
    headers: { "Content-Type": picture.type, "X-Api-Key": key },
    body: picture,
    cache: "no-store",
  }, signal);
  const milliseconds = performance.now() - began;
  if (!response.ok) throw refusal(response, content);
  if (!isUsable(content?.predictions)) {
    throw new ApiError({ status: response.status, code: "invalid_endpoint_response" });
  }
  return { answer: content, milliseconds };
}

/** Whether each class has a name, a number and a probability, and there is one at all. */
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

async function ask(address, options, signal) {
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
    return null; // plain text or HTML: the status has to do
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
