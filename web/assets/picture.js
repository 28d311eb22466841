const SENDABLE_TYPES = ["image/jpeg", "image/png", "image/webp"];
// Below this a JPEG's own blocks would show in what the model sees.
const SHORTEST_SIDE_PIXELS = 256;
const JPEG_QUALITY = 0.9;

/** The browser cannot read the file as a picture. */
export class UnreadablePictureError extends Error {}

/**
 * Make of a file what is worth sending: upright, and no larger than the model can use.
 *
 * @param {Blob} file a picture of any size
 * @param {number} inputPixels the shorter side that the model resizes a picture to
 * @param {number} maximumBytes what the API takes at most
 * @returns {Promise<{blob: Blob, width: number, height: number}>} the file itself where it is
 *   small already; else a JPEG about twice as large as the model's input
 * @throws {UnreadablePictureError} it is no picture that this browser knows
 */
export async function prepare(file, inputPixels, maximumBytes) {
  const bitmap = await decode(file);
  try {
    const shorter = Math.min(bitmap.width, bitmap.height);
    const target = Math.max(2 * inputPixels, SHORTEST_SIDE_PIXELS);
    const sendable = SENDABLE_TYPES.includes(file.type) && file.size <= maximumBytes;
    if (sendable && shorter <= target) {
      return { blob: file, width: bitmap.width, height: bitmap.height };
    }
    return await shrink(bitmap, Math.min(1, target / shorter));
  } finally {
    bitmap.close();
  }
}

async function decode(file) {
  try {
    // A phone stores a photo as the sensor saw it, with a note which way is up.
    return await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch (error) {
    throw new UnreadablePictureError("not a picture", { cause: error });
  }
}

async function shrink(bitmap, scale) {
  const width = Math.max(1, Math.round(bitmap.width * scale));
  const height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  // JPEG knows no transparency; without a ground it would turn black.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const blob = await new Promise((resolve) => {
    canvas.toBlob(resolve, "image/jpeg", JPEG_QUALITY);
  });
  if (blob === null) throw new UnreadablePictureError("the browser cannot write this picture");
  return { blob, width, height };
}
