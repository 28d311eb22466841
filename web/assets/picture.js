const SENDABLE_TYPES = ["image/jpeg", "image/png", "image/webp"];
// The API goes by the first bytes: a type is made of the file's name, which may lie.
const SENDABLE_START = /^(\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF[^]{4}WEBP)/;
// Below this a JPEG's own blocks would show in what the model sees.
const SHORTEST_SIDE_PIXELS = 256;
// What every browser's canvas holds; a scroll of a picture has less on its shorter side.
const LONGEST_SIDE_PIXELS = 16_384;
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
    const longer = Math.max(bitmap.width, bitmap.height);
    const target = Math.max(2 * inputPixels, SHORTEST_SIDE_PIXELS);
    const scale = Math.min(1, target / shorter, LONGEST_SIDE_PIXELS / longer);
    if (scale === 1 && file.size <= maximumBytes && (await isSendable(file))) {
      return { blob: file, width: bitmap.width, height: bitmap.height };
    }
    return await shrink(bitmap, scale);
  } finally {
    bitmap.close();
  }
}

async function isSendable(file) {
  const start = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return SENDABLE_TYPES.includes(file.type) && SENDABLE_START.test(String.fromCharCode(...start));
}

async function decode(file) {
  try {
    // A phone stores a photo as the sensor saw it, with a note which way is up.
    return await createImageBitmap(file, { imageOrientation: "from-image" }).catch((error) => {
      // An older browser does not know the option; most of those turn the picture by themselves.
      if (error instanceof TypeError) return createImageBitmap(file);
      throw error;
    });
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
