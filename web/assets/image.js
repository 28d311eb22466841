const SENDABLE_TYPES = ["image/jpeg", "image/png", "image/webp"];
// The API checks the first bytes; the file's type is derived from its name, which may be wrong.
const SENDABLE_START = /^(\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF[^]{4}WEBP)/;
// Below this JPEG's block artifacts would affect the model's input.
const MIN_SIDE_PIXELS = 256;
// The canvas size that every browser supports; the shorter side of a very long image is then
// below the minimum.
const MAX_SIDE_PIXELS = 16_384;
const JPEG_QUALITY = 0.9;

/** The browser cannot decode the file as an image. */
export class UnreadableImageError extends Error {}

/**
 * Prepare an image for sending: upright, and not larger than useful for the model.
 *
 * @param {Blob} file an image of any size
 * @param {number} inputPixels the length that the model resizes an image's shorter side to
 * @param {number} maxBytes the API's limit for an image
 * @param {?{maxBytes: number, maxPixels: number}} uploads the limits of an image that is uploaded;
 *   null: none is
 * @returns {Promise<{blob: Blob, width: number, height: number, isUpload: boolean}>} the file itself
 *   if it is small enough, or too large for a request and not for an upload; otherwise a JPEG about
 *   twice as large as the model's input
 * @throws {UnreadableImageError} the browser cannot decode the file
 */
export async function prepare(file, inputPixels, maxBytes, uploads = null) {
  const bitmap = await decode(file);
  try {
    const shorter = Math.min(bitmap.width, bitmap.height);
    const longer = Math.max(bitmap.width, bitmap.height);
    const target = Math.max(2 * inputPixels, MIN_SIDE_PIXELS);
    const scale = Math.min(1, target / shorter, MAX_SIDE_PIXELS / longer);
    const isUpload = file.size > maxBytes && fits(file, bitmap, uploads);
    if ((isUpload || (scale === 1 && file.size <= maxBytes)) && (await isSendable(file))) {
      return { blob: file, width: bitmap.width, height: bitmap.height, isUpload };
    }
    return { ...(await shrink(bitmap, scale)), isUpload: false };
  } finally {
    bitmap.close();
  }
}

function fits(file, bitmap, uploads) {
  return uploads !== null && file.size <= uploads.maxBytes && bitmap.width * bitmap.height <= uploads.maxPixels;
}

async function isSendable(file) {
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return SENDABLE_TYPES.includes(file.type) && SENDABLE_START.test(String.fromCharCode(...start));
}

async function decode(file) {
  try {
    // A phone stores a photo in the sensor's orientation, with EXIF data to rotate it.
    return await createImageBitmap(file, { imageOrientation: "from-image" }).catch((error) => {
      // Older browsers do not support the option; most of them rotate the image anyway.
      if (error instanceof TypeError) return createImageBitmap(file);
      throw error;
    });
  } catch (error) {
    throw new UnreadableImageError("not an image", { cause: error });
  }
}

async function shrink(bitmap, scale) {
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  // JPEG has no transparency: without a background transparent pixels would become black.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const blob = await new Promise((resolve) => {
    canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY);
  });
  if (blob === null) throw new UnreadableImageError("the browser cannot encode this image");
  return { blob, width, height };
}
