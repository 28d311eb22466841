const percent = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

const thousands = new Intl.NumberFormat("en");

/** A whole number as text. */
export function number(value) {
  return thousands.format(value);
}

/** A probability as text; 100 % and 0 % only if it is exactly 1 or 0. */
export function percentage(probability) {
  if (probability > 0.999 && probability < 1) return "> 99.9%";
  if (probability < 0.001 && probability > 0) return "< 0.1%";
  return percent.format(probability);
}

/** The label of a class, or its index if the label is blank. */
export function className(prediction) {
  return prediction.label.trim() || `class ${prediction.index}`;
}

/** A number of bytes as text. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A duration as text. */
export function duration(milliseconds) {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** A whole number of seconds as text. */
export function wait(seconds) {
  if (seconds === 1) return "a second";
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}
