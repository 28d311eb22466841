// A model is unsure of an image if its first probability is below the mean of its test images by
// more than this number of standard deviations. Of 341 photos of clothing that was one in five, of
// which half were wrong; of the others 96 % were right.
const UNSURE_DEVIATIONS = 1;

/**
 * What the page tells of the model; nothing before `load`, and where the file cannot be loaded.
 *
 * @type {{labels: string[], accuracy: ?{share: number, images: number},
 *   baseline: ?{mean: number, deviation: number}, samples: {file: string, label: ?string}[]}}
 *   `baseline`: of the probability of the first class, on test images
 */
export const model = { labels: [], accuracy: null, baseline: null, samples: [] };

/** Load the model's file. */
export async function loadModel(settings) {
  try {
    const response = await fetch(settings.modelFile);
    if (response.ok) Object.assign(model, await response.json());
  } catch {
    // The page works without.
  }
}

/** The probability below which this model is unsure, or 0 where its baseline is not known. */
function unsureBelow({ baseline }) {
  return baseline ? baseline.mean - UNSURE_DEVIATIONS * baseline.deviation : 0;
}

/** Whether the model is less sure of a prediction than it usually is. */
export function isUnsure(prediction) {
  return prediction.probability < unsureBelow(model);
}
