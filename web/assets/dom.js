/**
 * Create an element. Strings are added as text, never parsed as HTML.
 *
 * @param {string} tag
 * @param {Object<string, string>} attributes
 * @param {...(Node|string|null)} children null is left out
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** Return the element with an id; throw if there is none. */
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element with the id ${id}`);
  return found;
}

/** Show the model's name and version in the page's head. */
export function showModel(settings) {
  byId("model").textContent = `${settings.model.name} · ${settings.model.version}`;
}
