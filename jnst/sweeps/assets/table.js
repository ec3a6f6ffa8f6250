// The table of all points.

const collator = new Intl.Collator("en", { numeric: true });

function compareValues(x, y) {
  if (typeof x === "number" && typeof y === "number") return x - y;
  return collator.compare(String(x), String(y));
}

/** The columns that differ, or all. A failed point has no value in most, which is no difference. */
function shownColumns(ended) {
  const differing = columns.map((name, number) => {
    const values = ended
      .filter((point) => point.recipe || point.row[number] !== null)
      .map((point) => point.row[number]);
    return new Set(values).size > 1;
  });
  return [...columns.keys()].filter((number) => state.every || differing[number]);
}

function sortedPoints(ended) {
  const place = columns.indexOf(sorting.column);
  if (place < 0) return ended;
  const sign = sorting.descending ? -1 : 1;
  const [empty, full] = [[], []];
  for (const point of ended) (point.row[place] === null ? empty : full).push(point);
  full.sort((x, y) => sign * compareValues(x.row[place], y.row[place]));
  return [...full, ...empty];
}

function cellText(value) {
  if (value === null) return "";
  return typeof value === "number" ? numberText(value) : String(value);
}

function showTable() {
  const ended = points.filter((point) => point.row);
  const shown = shownColumns(ended);
  const isNumeric = (value) => value === null || typeof value === "number";
  const kinds = columns.map((name, column) => {
    if (name === "error") return "error";
    return ended.every(({ row }) => isNumeric(row[column])) ? "number" : null;
  });
  const [head, body] = [find("table").tHead, find("table").tBodies[0]];
  head.replaceChildren(
    element(
      "tr",
      {},
      element("th"),
      ...shown.map((column) => {
        const name = columns[column];
        const order = sorting.descending ? "descending" : "ascending";
        const sorted = name === sorting.column ? order : null;
        const sign = { ascending: " ↑", descending: " ↓" }[sorted] ?? "";
        return element(
          "th",
          { scope: "col", "aria-sort": sorted, class: kinds[column] },
          element("button", { type: "button", "data-column": name }, name + sign),
        );
      }),
    ),
  );
  body.replaceChildren(
    ...sortedPoints(ended).map((point) =>
      element(
        "tr",
        { tabindex: "-1", "data-id": point.id },
        element("td", {}, point.thumbnail ? thumbnail(point) : null),
        ...shown.map((column) =>
          element("td", { class: kinds[column] }, cellText(point.row[column])),
        ),
      ),
    ),
  );
  nearRows.disconnect();
  for (const image of body.querySelectorAll("img")) nearRows.observe(image);
  if (body.rows.length) body.rows[0].tabIndex = 0;
  find("table-box").style.scrollPadding = `${head.offsetHeight + 4}px 0 4px`;
}

function focusRow(row) {
  for (const old of find("table").tBodies[0].querySelectorAll('[tabindex="0"]')) old.tabIndex = -1;
  row.tabIndex = 0;
  row.focus();
}

function openRow(row) {
  openPoint(pointById.get(row.dataset.id), () => focusRow(row));
}

find("table").tHead.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { column } = button.dataset;
  sorting.descending = sorting.column === column && !sorting.descending;
  sorting.column = column;
  showTable();
  find("table").tHead.querySelector(`[data-column="${CSS.escape(column)}"]`).focus();
});

find("table").tBodies[0].addEventListener("click", (event) => {
  const row = event.target.closest("tr");
  if (row) openRow(row);
});

find("table").tBodies[0].addEventListener("keydown", (event) => {
  if (!isPlain(event)) return;
  const row = event.target.closest("tr");
  const { rows } = row.parentNode;
  const place = row.sectionRowIndex;
  const targets = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: rows.length - 1 };
  const target = targets[event.key];
  if (target !== undefined) focusRow(rows[target] ?? row);
  else if (event.key === "Enter" || event.key === " ") openRow(row);
  else if (MARKS.includes(event.key)) toggleMark(event.key, pointById.get(row.dataset.id));
  else return;
  event.preventDefault();
});

find("every-column").addEventListener("change", (event) => {
  state.every = event.target.checked;
  showTable();
  save();
});
