const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A probability in words: never 100 % or 0 % where it is not quite that. */
export function percentage(probability) {
  if (probability > 0.999 && probability < 1) return "> 99.9%";
  if (probability < 0.001 && probability > 0) return "< 0.1%";
  return percent.format(probability);
}

/** A class in words: a model may have some without a name. */
export function className(prediction) {
  return prediction.label.trim() || `class ${prediction.index}`;
}

/** A number of bytes in words. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A duration in words. */
export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A whole number of seconds in words. */
export function wait(seconds) {
  if (seconds === 1) return "a second";
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}
