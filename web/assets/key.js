import { isValidKey } from "./client.js";
import { byId } from "./dom.js";

// In sessionStorage, only for this tab: a key in localStorage would stay on a shared machine.
const STORED_AS = "whippet.api-key";
const IN_LINK = "key";

const field = byId("key");
const toggle = byId("key-show");
const state = byId("key-state");

/** Run an action with the session storage; return null if the browser denies access. */
function withStorage(action) {
  try {
    return action(window.sessionStorage);
  } catch {
    return null; // the key is then lost when the page is closed
  }
}

/** Return the key of the link that opened the page, and remove it from the address. */
function takeFromAddress() {
  const found = new URLSearchParams(window.location.hash.slice(1)).get(IN_LINK);
  if (found === null) return null;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return window.WHIPPET.keyInLink ? found : null;
}

const linked = takeFromAddress();

/** The API key that was entered in this tab. */
export const key = {
  /** Whether the key comes from the link that opened the page. */
  isLinked: linked !== null,

  get value() {
    return field.value.trim();
  },

  /** Call back when the key changes. */
  onChange(callback) {
    let last = this.value;
    const changed = () => {
      if (this.value === last) return;
      last = this.value;
      withStorage((storage) => storage.setItem(STORED_AS, last));
      this.markAsWrong(false);
      callback();
    };
    field.addEventListener("change", changed);
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
    // The link of `make up`, opened in a tab that already shows the page.
    window.addEventListener("hashchange", () => {
      field.value = takeFromAddress() ?? field.value;
      changed();
    });
  },

  /** Check with the API whether the key is valid, and say it. */
  async check(settings) {
    const checked = this.value;
    if (!checked) return;
    const valid = await isValidKey(settings, checked);
    if (valid === null || this.value !== checked) return;
    this.markAsWrong(!valid);
    state.textContent = valid ? "This key works." : "This key is not right. Check it for missing or additional characters.";
  },

  /** Mark the field as invalid, also for screen readers, or remove the mark and what was said. */
  markAsWrong(wrong) {
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
    state.textContent = "";
  },
};

if (linked !== null) withStorage((storage) => storage.setItem(STORED_AS, linked));
field.value = linked ?? withStorage((storage) => storage.getItem(STORED_AS)) ?? "";
toggle.addEventListener("click", () => {
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  toggle.textContent = shown ? "Show" : "Hide";
});
