// What was swept, and what of it is seen.

const data = JSON.parse(document.getElementById("data").textContent);
const { axes, points, inputs, columns } = data;
const pointById = new Map(points.map((point) => [point.id, point]));
const pointAt = new Map(points.map((point) => [point.at.join(), point]));
const MARKS = ["a", "b"];
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

// The numbers of a picture, of which one is seen. A weighted loss says nothing along a weight.
const NUMBERS = {
  loss: "loss, weighted",
  content: "content, unweighted",
  style: "style, unweighted",
};
const numbers = Object.keys(NUMBERS).filter((name) =>
  points.some(({ losses }) => losses && name in losses),
);

// What is seen. `at` is the place of the cursor: a row, a column, and what the selectors say.
const state = {
  rows: null,
  columns: null,
  number: "loss",
  at: axes.map(() => 0),
  point: null,
  a: null,
  b: null,
  comparing: false,
  every: false,
};
const sorting = { column: null, descending: false };

// A value of an axis is made of settings, [name, text, pictures]: one, or those that are zipped.

const settingText = ([name, text]) => `${name} ${text}`;
const valueText = (value) => (value.length === 1 ? value[0][1] : namedText(value));
const namedText = (value) => value.map(settingText).join(", ");
const settingsAt = (at) => axes.flatMap(({ values }, axis) => values[at[axis]]);

/** The settings at a place that differ somewhere in the sweep, in one line. */
function describe(at) {
  const several = axes.flatMap(({ values }, axis) =>
    values.length > 1 ? [namedText(values[at[axis]])] : [],
  );
  return several.join(" · ") || data.title;
}

/** The settings of a point that another does not share. */
function differences(point, other) {
  const others = new Map(settingsAt(other.at));
  const own = settingsAt(point.at).filter(([name, text]) => others.get(name) !== text);
  return own.map(settingText).join(" · ") || "the same point";
}

/** The chosen number of a point with its name; null if it has none. */
function numberOf(point) {
  const value = point.losses[state.number] ?? null;
  return value === null ? null : `${state.number} ${numberText(value, 3)}`;
}

const isInput = ([name]) => name === "content" || name === "style";

function thumbnailsOf([, , pictures]) {
  const addresses = pictures.map((name) => inputs[name]).filter(Boolean);
  return addresses.map((address) => element("img", { src: address, alt: "" }));
}

function inputFigure(setting) {
  const [name, text] = setting;
  const caption = element("div", {}, element("span", {}, name), text);
  return element("div", { class: "input" }, ...thumbnailsOf(setting), caption);
}

/** The axes that run along the rows and the columns: the two longest, of equals the first. */
function longestAxes() {
  const order = [...axes.keys()];
  order.sort((x, y) => axes[y].values.length - axes[x].values.length);
  const [first = null, second = null] = order;
  if (first === null || second === null) return [null, first];
  return axes[first].values.length === axes[second].values.length
    ? [Math.min(first, second), Math.max(first, second)]
    : [second, first];
}

const isSelected = (axis) => axis !== state.rows && axis !== state.columns;
const valuesAlong = (axis) => (axis === null ? [null] : axes[axis].values);

function placeOf(row, column) {
  const at = [...state.at];
  if (state.rows !== null) at[state.rows] = row;
  if (state.columns !== null) at[state.columns] = column;
  return at;
}

const cursor = () => [
  state.rows === null ? 0 : state.at[state.rows],
  state.columns === null ? 0 : state.at[state.columns],
];
