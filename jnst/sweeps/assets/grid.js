// The grid of pictures.

const LARGEST_CELL = 512; // pixels, those of a thumbnail
const SMALLEST_CELL = 104;
const BETWEEN_CELLS = 10;

/** Calls `show` with what comes near to the visible part of a box, once for each. */
function whenNear(box, show) {
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        show(target);
      }
    },
    { root: box, rootMargin: "200px" },
  );
  return observer;
}

// Left to themselves, browsers read lazy pictures far too early, and those that are seen wait.
function showThumbnail(image) {
  image.src = image.dataset.src;
}

const nearCells = whenNear(find("grid-box"), (cell) => {
  const image = cell.querySelector("img");
  if (image) showThumbnail(image);
  const { history } = pointById.get(cell.dataset.id);
  const line = history?.[state.number] && sparkline(history[state.number]);
  if (line) cell.querySelector("figcaption").append(line);
});
const nearRows = whenNear(find("table-box"), showThumbnail);

function thumbnail(point) {
  const [width, height] = point.shape;
  const lazy = { loading: "lazy", decoding: "async", "data-src": point.thumbnail };
  return element("img", { alt: "", width, height, ...lazy });
}

const markers = element(
  "div",
  { id: "markers" },
  ...MARKS.map((mark) => {
    const letter = mark.toUpperCase();
    const named = { "data-mark": mark, "aria-label": `Mark as ${letter}` };
    return element("button", { type: "button", tabindex: "-1", ...named }, letter);
  }),
);

function valueHeader(axis, number, scope) {
  if (axis === null) return element("th", { scope });
  const value = axes[axis].values[number];
  const lines =
    value.length === 1
      ? breakable(valueText(value))
      : value.map((setting) => element("div", {}, ...breakable(settingText(setting))));
  const images = value.flatMap(thumbnailsOf);
  return element("th", { scope }, element("div", { class: "value" }, ...images, ...lines));
}

function absent(point) {
  if (point?.state === "failed") {
    const words = [element("b", {}, "Failed"), element("span", {}, point.error)];
    return element("div", { class: "absent failed" }, ...words);
  }
  return element("div", { class: "absent" }, point ? "–" : "");
}

function stateText(point) {
  if (!point) return "not in the plan";
  if (point.state === "missing") return "not there yet";
  if (point.state === "failed") return `failed: ${point.error}`;
  return numberOf(point) ?? `no ${state.number}`;
}

function gridCell(row, column) {
  const at = placeOf(row, column);
  const point = pointAt.get(at.join());
  const where = [state.rows, state.columns]
    .filter((axis) => axis !== null)
    .map((axis) => namedText(axes[axis].values[at[axis]]));
  const figure = element("figure", { class: "cell" });
  const caption = element("figcaption");
  if (point?.state === "done") {
    figure.append(thumbnail(point));
    caption.append(element("span", {}, numberOf(point) ?? ""));
  } else {
    figure.append(absent(point));
  }
  figure.append(caption);
  const cell = element(
    "td",
    {
      tabindex: "-1",
      "data-row": row,
      "data-column": column,
      "data-id": point ? point.id : null,
      class: point ? null : "nothing",
      "aria-label": [...where, stateText(point)].join(", "),
    },
    figure,
  );
  if (point) nearCells.observe(cell);
  return cell;
}

function showGrid() {
  nearCells.disconnect();
  markers.remove();
  const across = valuesAlong(state.columns);
  const corner = [[state.columns, "→"], [state.rows, "↓"]]
    .filter(([axis]) => axis !== null)
    .map(([axis, arrow]) => element("span", {}, ...breakable(`${axes[axis].name}\u00a0${arrow}`)));
  const head = element(
    "thead",
    {},
    element(
      "tr",
      {},
      element("th", {}, ...corner),
      ...across.map((_, column) => valueHeader(state.columns, column, "col")),
    ),
  );
  const body = element(
    "tbody",
    {},
    ...valuesAlong(state.rows).map((_, row) =>
      element(
        "tr",
        {},
        valueHeader(state.rows, row, "row"),
        ...across.map((_, column) => gridCell(row, column)),
      ),
    ),
  );
  find("grid").replaceChildren(head, body);
  const names = [state.rows, state.columns].filter((axis) => axis !== null);
  const label = names.map((axis) => axes[axis].name).join(" by ") || data.title;
  find("grid").setAttribute("aria-label", label);
  cellAt(...cursor()).tabIndex = 0;
  fitCells();
  showBadges();
}

/** The largest cells that fit beside each other, within bounds; and how much the headings cover. */
function fitCells() {
  const box = find("grid-box");
  const heading = find("grid").querySelector("tbody th");
  const [above, beside] = [find("grid").tHead.offsetHeight, heading.offsetWidth];
  const each = (box.clientWidth - beside) / valuesAlong(state.columns).length - BETWEEN_CELLS;
  const size = Math.floor(Math.min(LARGEST_CELL, Math.max(SMALLEST_CELL, each)));
  document.documentElement.style.setProperty("--cell", `${size}px`);
  box.style.scrollPadding = `${above + 4}px 4px 4px ${beside + 4}px`;
}

const cellAt = (row, column) => find("grid").tBodies[0].rows[row].cells[column + 1];

function moveCursor(at) {
  cellAt(...cursor()).tabIndex = -1;
  const elsewhere = at.some((place, axis) => isSelected(axis) && place !== state.at[axis]);
  state.at = [...at];
  if (elsewhere) {
    showControls();
    showInputs();
    showGrid();
  }
  cellAt(...cursor()).tabIndex = 0;
  save();
}

function focusCell() {
  const cell = cellAt(...cursor());
  cell.focus();
  cell.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Where an arrow leads from a place of the grid; null at its border. */
function neighbor([row, column], direction) {
  if (direction === "left") column -= 1;
  if (direction === "right") column += 1;
  if (direction === "up") row -= 1;
  if (direction === "down") row += 1;
  const inside = row in valuesAlong(state.rows) && column in valuesAlong(state.columns);
  return inside ? [row, column] : null;
}

function gridTarget(event) {
  const [row, column] = cursor();
  const lastRow = valuesAlong(state.rows).length - 1;
  const lastColumn = valuesAlong(state.columns).length - 1;
  if (event.key in ARROWS) return neighbor([row, column], ARROWS[event.key]) ?? [row, column];
  if (event.key === "Home") return [event.ctrlKey ? 0 : row, 0];
  if (event.key === "End") return [event.ctrlKey ? lastRow : row, lastColumn];
  return null;
}

const isPlain = (event) => !event.altKey && !event.ctrlKey && !event.metaKey;

find("grid").addEventListener("keydown", (event) => {
  const target = event.altKey || event.metaKey ? null : gridTarget(event);
  const point = pointAt.get(state.at.join());
  if (target) {
    moveCursor(placeOf(...target));
    focusCell();
  } else if (!isPlain(event)) {
    return;
  } else if (event.key === "Enter" || event.key === " ") {
    openPoint(point);
  } else if (MARKS.includes(event.key)) {
    toggleMark(event.key, point);
  } else {
    return;
  }
  event.preventDefault();
});

find("grid").addEventListener("click", (event) => {
  const cell = event.target.closest("td");
  if (!cell) return;
  const point = pointById.get(cell.dataset.id);
  const marker = event.target.closest("[data-mark]");
  cell.focus({ preventScroll: true });
  if (marker) toggleMark(marker.dataset.mark, point);
  else openPoint(point);
});

// Whatever brought the focus to a cell, the keys go on from there.
find("grid").addEventListener("focusin", (event) => {
  const cell = event.target.closest("td");
  // A dialog that closes gives it to the cell that it was opened from, which need not be the last.
  if (!cell || state.point !== null || state.comparing) return;
  moveCursor(placeOf(Number(cell.dataset.row), Number(cell.dataset.column)));
});

find("grid").addEventListener("pointerover", (event) => {
  if (event.pointerType !== "mouse") return;
  const cell = event.target.closest("td");
  const point = cell && pointById.get(cell.dataset.id);
  if (point?.state !== "done") markers.remove();
  else if (markers.parentNode !== cell) cell.append(markers);
});
find("grid").addEventListener("pointerleave", () => markers.remove());

new ResizeObserver(fitCells).observe(find("grid-box"));
