// A point at full size.

let returnFocus = focusCell;

function openPoint(point, back = focusCell) {
  if (!point) return;
  moveCursor(point.at);
  returnFocus = back;
  showPoint(point);
  if (!find("point").open) find("point").showModal();
  save();
}

function showPoint(point) {
  state.point = point.id;
  find("point-heading").textContent = describe(point.at);
  const picture = find("point-picture");
  if (point.state === "done") {
    const alt = `The picture of ${describe(point.at)}`;
    const image = element("img", { src: point.picture, alt });
    const link = { href: point.picture, target: "_blank", title: "The file of the picture" };
    picture.replaceChildren(element("a", link, image));
  } else {
    const missing = element("div", { class: "absent" }, "Not there yet");
    picture.replaceChildren(point.state === "failed" ? absent(point) : missing);
  }
  find("details").replaceChildren(
    ...[settingsOf(point), lossOf(point), commandOf(point), recipeOf(point)].filter(Boolean),
  );
  find("details").scrollTop = 0;
  for (const button of find("point").querySelectorAll("[data-step]")) {
    const direction = button.dataset.step;
    const axis = direction === "left" || direction === "right" ? state.columns : state.rows;
    const next = neighborPoint(direction);
    setAvailable(button, next !== null);
    const target = next && namedText(axes[axis].values[next.at[axis]]);
    button.setAttribute("aria-label", next ? `To ${target}` : `No further ${direction}`);
  }
  showMarks();
}

function section(title, ...children) {
  return element("section", {}, element("h3", {}, title), ...children);
}

function definitions(entries) {
  const pair = ([name, text]) => [element("dt", {}, name), element("dd", {}, text)];
  return element("dl", {}, ...entries.flatMap(pair));
}

function settingsOf(point) {
  const settings = settingsAt(point.at);
  const entries = [...settings];
  if (point.row) {
    const value = (column) => point.row[columns.indexOf(column)] ?? null;
    if (value("seconds") !== null) entries.push(["seconds", numberText(value("seconds"), 4)]);
    if (value("gradient_evaluations") !== null) {
      entries.push(["gradients", numberText(value("gradient_evaluations"))]);
    }
  }
  const pictures = settings.filter(isInput).map(inputFigure);
  return section(
    "Settings",
    definitions(entries),
    element("div", { class: "inputs" }, ...pictures),
  );
}

function lossOf(point) {
  if (!point.history && !point.recipe) return null;
  const { total, ...terms } = point.recipe?.losses ?? {};
  const named = numbers.map((name) => [NUMBERS[name], point.losses?.[name]]);
  const entries = [...named, ...Object.entries(terms)]
    .filter(([, loss]) => loss !== undefined)
    .map(([name, loss]) => [name, loss === null ? "not finite" : numberText(loss, 4)]);
  const losses = point.history?.[state.number];
  const curve = losses && chart(NUMBERS[state.number], losses, point.history.levels);
  return section(`Curve of the ${NUMBERS[state.number]}`, curve ?? null, definitions(entries));
}

function commandOf(point) {
  if (!point.command) return null;
  const code = element("pre", { id: "command" }, point.command);
  const button = element("button", { type: "button", id: "copy" }, "Copy");
  const said = element("span", { role: "status" });
  button.addEventListener("click", async () => {
    said.textContent = (await copy(code)) ? "Copied" : "Selected: copy it with the keyboard";
  });
  return section(
    "Make it again, in the folder of this page",
    code,
    element("div", { class: "copy" }, button, said),
  );
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return document.execCommand("copy");
  }
}

function recipeOf(point) {
  if (!point.recipe) return null;
  return element(
    "details",
    {},
    element("summary", {}, "The whole recipe"),
    element("pre", { tabindex: "0" }, JSON.stringify(point.recipe, null, 2)),
  );
}

/** The next planned point in a direction of the grid; null if there is none. */
function neighborPoint(direction) {
  let place = cursor();
  while ((place = neighbor(place, direction))) {
    const point = pointAt.get(placeOf(...place).join());
    if (point) return point;
  }
  return null;
}

function stepPoint(direction) {
  const point = neighborPoint(direction);
  if (!point) return;
  moveCursor(point.at);
  showPoint(point);
  save();
}

find("point").addEventListener("keydown", (event) => {
  if (!isPlain(event)) return;
  if (event.key in ARROWS) stepPoint(ARROWS[event.key]);
  else if (MARKS.includes(event.key)) toggleMark(event.key, pointById.get(state.point));
  else return;
  event.preventDefault();
});

find("point").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  if (button.dataset.step) stepPoint(button.dataset.step);
  else if (button.dataset.mark) toggleMark(button.dataset.mark, pointById.get(state.point));
  else if (button.id === "point-compare") openComparison();
});

find("point").addEventListener("close", () => {
  if (find("point").open) return; // and opened again since
  state.point = null;
  if (!state.comparing) returnFocus();
  save();
});

for (const button of document.querySelectorAll("dialog .close")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

// A click beside a dialog closes it.
for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
