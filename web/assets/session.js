import { ApiError, predict, upload } from "./client.js";
import { prepare, UnreadableImageError } from "./image.js";
import { explain } from "./problems.js";

const MAX_IN_FLIGHT = 2;
const MAX_IMAGES = 500;
const MAX_ATTEMPTS = 5;
// A container of a serverless endpoint starts within 4 minutes; each attempt waits for it, too.
const MAX_STARTING_ATTEMPTS = 12;
// A longer wait, such as for tomorrow's quota, is an error that the user is told.
const MAX_WAIT_SECONDS = 60;
const USUAL_WAIT_SECONDS = 1; // for a 429 without Retry-After
/** Errors of the key: no other image can succeed before it changes. */
const KEY_ERRORS = ["no_key", "invalid_api_key", "quota_exceeded"];
/** After a result, and after these, the API has deleted the image that was uploaded. */
const DELETING_STATUSES = [404, 413, 415, 422];

/** Whether an image failed by an error that may be over. */
export function isWorthAnotherTry({ state, error }) {
  return state === "failed" && explain(error).again;
}

/**
 * The images of this visit, which are classified one after another, at most two at a time.
 *
 * An image is `{file, state, attempts, image, address, uploaded, result, error, retryAt, delay}`. Its
 * state is `waiting`, `working`, `done` (with `result`, see `predict`) or `failed` (with `error`, an
 * ApiError). `image` (see `prepare`) and `address`, its object URL, are null until it is decoded.
 * `uploaded` is its key in the API while it lies there (see `upload`), or null.
 * `delay` says why it is sent again at `retryAt`. Nothing is stored: it ends with the page.
 */
export class Session {
  images = [];
  #active = 0;
  #pausedUntil = 0;

  /**
   * @param {object} settings of the page
   * @param {{value: string}} key
   * @param {function(object): void} onChange called with each image that changed
   */
  constructor(settings, key, onChange) {
    Object.assign(this, { settings, key, onChange });
  }

  /**
   * Add files and classify them.
   *
   * @param {File[]} files
   * @returns {object[]} the added images: fewer than `files` if the session is full
   */
  add(files) {
    const added = files.slice(0, MAX_IMAGES - this.images.length).map((file) => ({
      file,
      state: "waiting",
      attempts: 0,
      image: null,
      address: null,
      uploaded: null,
      result: null,
      error: null,
      retryAt: 0,
      delay: null,
    }));
    this.images.push(...added);
    for (const image of added) this.onChange(image);
    this.#start();
    return added;
  }

  /** Classify an image again. */
  retry(image) {
    Object.assign(image, { state: "waiting", attempts: 0, error: null });
    this.onChange(image);
    this.#start();
  }

  /** Classify the images again whose error may be over. */
  retryFailed() {
    this.images.filter(isWorthAnotherTry).forEach((image) => this.retry(image));
  }

  /** Leave out the images that wait. What is in flight was sent, and gets its result. */
  stop() {
    for (const image of this.images) {
      if (image.state === "working") image.attempts = MAX_STARTING_ATTEMPTS; // it is not sent again
      if (image.state === "waiting") this.#end(image, new ApiError({ code: "stopped" }));
    }
  }

  /** Send the images again that failed because of the key; return whether there is one. */
  retryWithNewKey() {
    const failed = this.images.filter(({ state, error }) => state === "failed" && KEY_ERRORS.includes(error.code));
    failed.forEach((image) => this.retry(image));
    return failed.length > 0;
  }

  #start() {
    while (this.#active < MAX_IN_FLIGHT && performance.now() >= this.#pausedUntil) {
      const next = this.images.find((image) => image.state === "waiting");
      if (!next) return;
      this.#active += 1;
      this.#run(next).finally(() => {
        this.#active -= 1;
        this.#start();
      });
    }
  }

  async #run(image) {
    this.#set(image, "working");
    let sent = this.key.value;
    try {
      await this.#decode(image);
      sent = this.key.value;
      if (!sent) throw new ApiError({ code: "no_key" });
      image.attempts += 1;
      const { blob, isUpload } = image.image;
      if (isUpload) image.uploaded ??= await upload(this.settings, sent, blob);
      image.result = await predict(this.settings, sent, blob, image.uploaded);
      image.uploaded = null;
      this.#set(image, "done");
    } catch (error) {
      if (DELETING_STATUSES.includes(error.status)) image.uploaded = null;
      // Refused for a key that was corrected meanwhile.
      if (KEY_ERRORS.includes(error.code) && this.key.value !== sent) this.#set(image, "waiting");
      else if (error instanceof ApiError) this.#fail(image, error);
      else if (error instanceof UnreadableImageError) this.#fail(image, new ApiError({ code: "not_an_image" }));
      else {
        this.#fail(image, new ApiError({ message: String(error) })); // or it would wait for ever
        throw error;
      }
    }
  }

  async #decode(image) {
    if (image.image) return;
    image.image = await prepare(image.file, this.settings.inputPixels, this.settings.maxBytes, this.settings.uploads);
    image.address = URL.createObjectURL(image.image.blob);
    this.onChange(image);
  }

  #fail(image, error) {
    const seconds = error.retryAfterSeconds ?? USUAL_WAIT_SECONDS;
    const isStarting = error.code === "endpoint_starting";
    const isBrief = (isStarting || error.status === 429) && seconds <= MAX_WAIT_SECONDS && !KEY_ERRORS.includes(error.code);
    if (isBrief && image.attempts < (isStarting ? MAX_STARTING_ATTEMPTS : MAX_ATTEMPTS)) {
      image.delay = explain(error).title;
      this.#pause(seconds * 1000);
      image.retryAt = this.#pausedUntil;
      this.#set(image, "waiting");
      return;
    }
    this.#end(image, error);
    if (!KEY_ERRORS.includes(error.code)) return;
    for (const other of this.images.filter(({ state }) => state === "waiting")) this.#end(other, error);
  }

  #end(image, error) {
    image.error = error;
    this.#set(image, "failed");
  }

  #pause(milliseconds) {
    this.#pausedUntil = Math.max(this.#pausedUntil, performance.now() + milliseconds);
    setTimeout(() => this.#start(), milliseconds + 1);
  }

  #set(image, state) {
    image.state = state;
    this.onChange(image);
  }
}
