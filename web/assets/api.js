import { codeBlock, examples } from "./code.js";
import { byId, element, showModel } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete", "options", "head"];

/** Resolve a `{"$ref": "#/components/…"}`. */
function resolve(openapi, value) {
  if (!value?.$ref) return value;
  const steps = value.$ref.replace(/^#\//, "").split("/");
  return steps.reduce((place, step) => place?.[step.replaceAll("~1", "/").replaceAll("~0", "~")], openapi);
}

function code(content) {
  return codeBlock(typeof content === "string" ? content : JSON.stringify(content, null, 2));
}

function table(caption, heads, rows) {
  const row = (cells, tag, attributes = {}) =>
    element("tr", {}, ...cells.map((cell) => element(tag, attributes, cell)));
  // A wide table scrolls by itself; the tab stop lets the keyboard scroll it too.
  return element(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, row(heads, "th", { scope: "col" })),
      element("tbody", {}, ...rows.map((cells) => row(cells, "td"))),
    ),
  );
}

/** A paragraph; text between backticks becomes code. */
function prose(text) {
  const parts = text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
  return element("p", {}, ...parts);
}

function paragraphs(text) {
  return (text ?? "").split(/\n\s*\n/).filter(Boolean).map(prose);
}

/** The description of a status: one line for each error code. */
function meaning(text) {
  const lines = (text ?? "").split(/(?=`\w+`: )/).filter(Boolean).map(prose);
  return element("div", { class: "meaning" }, ...lines);
}

/** A schema as text: its type, values and bounds; alternatives are joined by "or". */
function typeOf(openapi, schema) {
  const found = resolve(openapi, schema) ?? {};
  const words = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  const alternatives = found.oneOf ?? found.anyOf;
  let type = [found.type ?? "any"].flat().join(" or ");
  if (alternatives) type = alternatives.map((one) => typeOf(openapi, one)).join(" or ");
  else if ("const" in found) type = words(found.const);
  else if (found.enum) type = found.enum.map(words).join(" or ");
  const bounds = ["minimum", "maximum", "default"].filter((name) => name in found);
  return [type, ...bounds.map((name) => `${name} ${words(found[name])}`)].join(", ");
}

function parameters(openapi, operation) {
  const rows = (operation.parameters ?? []).map((given) => {
    const parameter = resolve(openapi, given);
    return [
      element("code", {}, parameter.name),
      parameter.in + (parameter.required ? ", required" : ""),
      typeOf(openapi, parameter.schema),
      prose(parameter.description ?? ""),
    ];
  });
  return rows.length ? [table("Parameters", ["Name", "In", "Type", "Meaning"], rows)] : [];
}

/** The first example of a media type, or its schema where there is none. */
function sample(openapi, media) {
  const [named] = Object.values(media.examples ?? {});
  return media.example ?? resolve(openapi, named)?.value ?? resolve(openapi, media.schema)?.examples?.[0] ?? resolve(openapi, media.schema);
}

function requestBody(openapi, operation) {
  const body = resolve(openapi, operation.requestBody);
  if (!body) return [];
  const content = Object.entries(body.content ?? {});
  const isBinary = ([, media]) => resolve(openapi, media.schema)?.format === "binary";
  const images = content.filter(isBinary).map(([type]) => type);
  const rows = content
    .filter(([type]) => !images.includes(type))
    .map(([type, media]) => [element("code", {}, type), code(sample(openapi, media))]);
  if (images.length) {
    rows.unshift([prose(images.map((type) => `\`${type}\``).join(" ")), "The bytes of the image."]);
  }
  return [...paragraphs(body.description), table("Request body", ["Type", "Content"], rows)];
}

function responsesOf(openapi, operation) {
  return Object.entries(operation.responses ?? {}).map(([status, given]) => [status, resolve(openapi, given)]);
}

/** The response to a valid request, with an example. */
function success(openapi, operation) {
  const [status, response] = responsesOf(openapi, operation).find(([each]) => each.startsWith("2")) ?? [];
  const media = response?.content?.["application/json"];
  return media ? [element("h3", {}, `Response ${status}`), ...paragraphs(response.description), code(sample(openapi, media))] : [];
}

function responses(openapi, operation) {
  const rows = responsesOf(openapi, operation).map(([status, response]) => [element("code", {}, status), meaning(response.description)]);
  return table("All responses", ["Status", "Meaning"], rows);
}

function operations(openapi) {
  return Object.entries(openapi.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => method in item).map((method) =>
      element(
        "section",
        { class: "card operation" },
        element("h2", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), " ", element("code", {}, path)),
        ...paragraphs(item[method].summary),
        ...paragraphs(item[method].description),
        ...success(openapi, item[method]),
        ...parameters(openapi, item[method]),
        ...requestBody(openapi, item[method]),
        responses(openapi, item[method]),
      ),
    ),
  );
}

function tryIt(settings) {
  return element(
    "section",
    { class: "card" },
    element("h2", {}, "Try it"),
    prose("With the API key in the environment variable `API_KEY`:"),
    examples(settings),
    element("p", { class: "hint" }, "The same document for programs: ", element("a", { href: settings.openapi }, settings.openapi)),
  );
}

async function show(settings) {
  showModel(settings);
  const response = await fetch(settings.openapi);
  if (!response.ok) throw new Error(`status ${response.status}`);
  const openapi = await response.json();
  byId("document").replaceChildren(
    element(
      "div",
      {},
      element("p", { class: "hint" }, `${openapi.info.title}, version ${openapi.info.version} · OpenAPI ${openapi.openapi}`),
      ...paragraphs(openapi.info.description),
    ),
    tryIt(settings),
    ...operations(openapi),
  );
}

show(window.WHIPPET).catch((error) => {
  byId("document").replaceChildren(
    element("p", { class: "problem", role: "alert" }, `The API's document cannot be shown (${error.message}). Load the page again.`),
  );
});
