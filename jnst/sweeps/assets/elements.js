// Elements of a page, and numbers in words.

const find = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

const element = (tag, attributes = {}, ...children) =>
  fill(document.createElement(tag), attributes, children);

const drawing = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const badge = (mark) => element("span", { class: `badge ${mark}` }, mark.toUpperCase());

/** Text that may be broken after each underscore. */
const breakable = (text) => text.split(/(?<=_)/).flatMap((part) => [part, element("wbr")]);

function numberText(value, digits = 5) {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits)));
}
