import { byId } from "./dom.js";

// Of this tab only, and gone with it: a key in localStorage would stay on a shared machine.
const STORED_AS = "whippet.api-key";

const field = byId("key");
const toggle = byId("key-show");

/** Do something with the tab's storage, or nothing where the browser's settings refuse it. */
function withStorage(action) {
  try {
    return action(window.sessionStorage);
  } catch {
    return null; // the key then lasts until the page is left
  }
}

/** The API key as it was entered in this tab. */
export const key = {
  get value() {
    return field.value.trim();
  },

  /** Call back when another key was entered. */
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

  /** Mark the field for eyes and screen readers, or unmark it. */
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
