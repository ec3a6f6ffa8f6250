// The address, which says what is seen; and the beginning.

let saving = 0;

/** Once the keys rest: browsers refuse many changes in a short time. */
function save() {
  clearTimeout(saving);
  saving = setTimeout(() => history.replaceState(null, "", `#${address()}`), 250);
}

function address() {
  const words = new URLSearchParams();
  for (const which of ["rows", "columns"]) {
    if (state[which] !== null) words.set(which, axes[state[which]].name);
  }
  if (state.number !== "loss") words.set("number", state.number);
  words.set("at", state.at.join("."));
  for (const name of ["point", "a", "b"]) {
    if (state[name] !== null) words.set(name, state[name]);
  }
  for (const name of ["comparing", "every"]) {
    if (state[name]) words.set(name, "1");
  }
  return words.toString();
}

/** Take what the address says, as far as it is possible, and the default for the rest. */
function readAddress() {
  const words = new URLSearchParams(location.hash.slice(1));
  const axisNamed = (name) => axes.findIndex((axis) => axis.name === words.get(name));
  const [rows, columns] = [axisNamed("rows"), axisNamed("columns")];
  const areTwo = rows >= 0 && columns >= 0 && rows !== columns;
  [state.rows, state.columns] = areTwo ? [rows, columns] : longestAxes();
  state.number = numbers.includes(words.get("number")) ? words.get("number") : "loss";
  const at = (words.get("at") ?? "").split(".").map(Number);
  state.at = axes.map((axis, number) => (axis.values[at[number]] ? at[number] : 0));
  const isDone = (id) => pointById.get(id)?.state === "done";
  for (const mark of MARKS) state[mark] = isDone(words.get(mark)) ? words.get(mark) : null;
  state.comparing = words.has("comparing") && state.a !== null && state.b !== null;
  const point = state.comparing ? undefined : pointById.get(words.get("point"));
  state.point = point ? point.id : null;
  if (point) state.at = [...point.at];
  state.every = words.has("every");
}

function showAll() {
  const { point, comparing } = state;
  showControls();
  showInputs();
  showGrid();
  showMarks();
  find("every-column").checked = state.every;
  if (comparing) showComparison();
  else if (point !== null) openPoint(pointById.get(point));
}

addEventListener("hashchange", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  readAddress();
  showAll();
  showTable();
});

function summary() {
  const count = (wanted) => points.filter((point) => point.state === wanted).length;
  const words = [`${points.length} ${points.length === 1 ? "point" : "points"}`];
  if (count("failed")) words.push(`${count("failed")} failed`);
  if (count("missing")) words.push(`${count("missing")} not there yet`);
  return words.join(", ");
}

find("summary").textContent = summary();
const shape = points.find((point) => point.state === "done")?.shape ?? [4, 3];
document.documentElement.style.setProperty("--aspect", `${shape[0]} / ${shape[1]}`);
readAddress();
showAll();
performance.mark("grid");
// The pictures come first.
requestAnimationFrame(() => (window.requestIdleCallback ?? setTimeout)(showTable));
