import { element } from "./dom.js";

const COPIED_MILLISECONDS = 2000;
let made = 0;

/** A block of code with a button that copies it. */
export function codeBlock(text) {
  const button = element("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text)) ? "Copied" : "Select the text to copy it";
    setTimeout(() => { button.textContent = "Copy"; }, COPIED_MILLISECONDS);
  });
  return element("div", { class: "code" }, element("pre", { tabindex: "0" }, element("code", {}, text)), button);
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // refused by the user, or a page that is not loaded over TLS
  }
}

/**
 * How a program classifies an image, in three languages, one of which is shown.
 *
 * @param {{apiBase: string, topK: number}} settings
 * @param {string} type the image's media type
 */
export function examples(settings, type = "image/jpeg") {
  const address = addressOf(settings, `predict?top_k=${settings.topK}`);
  const file = fileOf(type);
  return tabs("Languages", {
    curl: curl(address, file, type),
    Python: python(address, file, type),
    JavaScript: javaScript(address, file, type),
  });
}

/** The same for an image that is too large for a request. */
export function uploadExamples(settings, type = "image/jpeg") {
  const uploads = addressOf(settings, "uploads");
  const predict = addressOf(settings, `predict?top_k=${settings.topK}`);
  const file = fileOf(type);
  return tabs("Languages", {
    curl: curlUpload(uploads, predict, file, type),
    Python: pythonUpload(uploads, predict, file, type),
  });
}

function addressOf(settings, path) {
  return new URL(`${settings.apiBase}/${path}`, window.location.href).href;
}

function fileOf(type) {
  return `image.${type === "image/jpeg" ? "jpg" : type.replace("image/", "")}`;
}

function curlUpload(uploads, predict, file, type) {
  return `# Set API_KEY to the key below the image. The response has a url and a key.
curl -H "x-api-key: $API_KEY" -H 'Content-Type: application/json' \\
  -d "{\\"content_type\\": \\"${type}\\", \\"content_length\\": $(wc -c < ${file})}" \\
  '${uploads}'
# Set URL and KEY to them.
curl --upload-file ${file} -H 'Content-Type: ${type}' "$URL"
curl -H "x-api-key: $API_KEY" -H 'Content-Type: application/json' \\
  -d "{\\"s3\\": \\"$KEY\\"}" \\
  '${predict}'`;
}

function pythonUpload(uploads, predict, file, type) {
  return `import json, os, urllib.request

def post(address, document):
    headers = {"Content-Type": "application/json", "x-api-key": os.environ["API_KEY"]}
    request = urllib.request.Request(address, json.dumps(document).encode(), headers)
    with urllib.request.urlopen(request, timeout=35) as response:
        return json.load(response)

with open("${file}", "rb") as opened:
    image = opened.read()
upload = post("${uploads}", {"content_type": "${type}", "content_length": len(image)})
put = urllib.request.Request(upload["url"], image, upload["headers"], method="PUT")
urllib.request.urlopen(put).close()
for prediction in post("${predict}", {"s3": upload["key"]})["predictions"]:
    print(prediction["label"], prediction["probability"])`;
}

function curl(address, file, type) {
  return `# Set API_KEY to the key below the image.
curl --data-binary @${file} \\
  -H 'Content-Type: ${type}' \\
  -H "x-api-key: $API_KEY" \\
  '${address}'`;
}

function python(address, file, type) {
  return `import json, os, urllib.request

with open("${file}", "rb") as image:
    request = urllib.request.Request(
        "${address}",
        data=image.read(),
        headers={"Content-Type": "${type}", "x-api-key": os.environ["API_KEY"]},
    )
with urllib.request.urlopen(request, timeout=35) as response:
    for prediction in json.load(response)["predictions"]:
        print(prediction["label"], prediction["probability"])`;
}

function javaScript(address, file, type) {
  return `// Node 18 or later, in a file that ends in .mjs
import { readFile } from "node:fs/promises";

const response = await fetch("${address}", {
  method: "POST",
  headers: { "Content-Type": "${type}", "x-api-key": process.env.API_KEY },
  body: await readFile("${file}"),
});
if (!response.ok) throw new Error(await response.text());
for (const { label, probability } of (await response.json()).predictions) {
  console.log(label, probability);
}`;
}

/** Tabs after the pattern of WAI-ARIA: one tab stop, arrow keys select. */
function tabs(label, texts) {
  const prefix = `tabs-${(made += 1)}`;
  const names = Object.keys(texts);
  const panel = element("div", { role: "tabpanel", id: `${prefix}-panel` });
  const all = names.map((name) => element("button", { type: "button", role: "tab", id: `${prefix}-${name}`, "aria-controls": panel.id }, name));
  const select = (chosen) => {
    for (const tab of all) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
    }
    panel.setAttribute("aria-labelledby", chosen.id);
    panel.replaceChildren(codeBlock(texts[chosen.textContent]));
  };
  all.forEach((tab, index) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = all[(index + step + all.length) % all.length];
      select(next);
      next.focus();
    });
  });
  select(all[0]);
  return element("div", { class: "tabs" }, element("div", { role: "tablist", "aria-label": label }, ...all), panel);
}
