import { byId, element } from "./dom.js";

/**
 * Show the samples, from which one is chosen by a click.
 *
 * @param {{file: string, label: ?string}[]} samples
 * @param {function(?File): void} onChosen called with the sample, or null if it cannot be loaded
 */
export function showSamples(samples, onChosen) {
  byId("samples").replaceChildren(...samples.map((sample, index) => entry(sample, index, onChosen)));
  byId("samples-section").hidden = samples.length === 0;
}

function entry({ file, label }, index, onChosen) {
  const name = label ?? `sample ${index + 1}`;
  const button = element(
    "button",
    { type: "button", class: "sample" },
    element("img", { src: file, alt: "", width: "104", height: "84", loading: "lazy", draggable: "false" }),
    element("span", {}, "Try ", element("bdi", {}, name)),
  );
  button.addEventListener("click", async () => onChosen(await load(file)));
  return element("li", {}, button);
}

async function load(file) {
  try {
    const response = await fetch(file);
    if (!response.ok) return null;
    const blob = await response.blob();
    return new File([blob], file.split("/").pop(), { type: blob.type });
  } catch {
    return null;
  }
}
