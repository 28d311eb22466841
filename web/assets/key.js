import { byId } from "./dom.js";

// In sessionStorage, only for this tab: a key in localStorage would stay on a shared machine.
const STORED_AS = "whippet.api-key";

const field = byId("key");
const toggle = byId("key-show");

/** Run an action with the session storage; return null if the browser denies access. */
function withStorage(action) {
  try {
    return action(window.sessionStorage);
  } catch {
    return null; // the key is then lost when the page is closed
  }
}

/** The API key that was entered in this tab. */
export const key = {
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
      callback();
    };
    field.addEventListener("change", changed);
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      changed();
    });
  },

  /** Mark the field as invalid, also for screen readers, or remove the mark. */
  markAsWrong(wrong) {
    if (wrong) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  },
};

field.value = withStorage((storage) => storage.getItem(STORED_AS)) ?? "";
toggle.addEventListener("click", () => {
  const shown = field.type === "text";
  field.type = shown ? "password" : "text";
  toggle.textContent = shown ? "Show" : "Hide";
});
