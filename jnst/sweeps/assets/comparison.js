// Two marked points, on top of each other.

function toggleMark(mark, point) {
  if (point?.state !== "done") return;
  state[mark] = state[mark] === point.id ? null : point.id;
  showMarks();
  save();
}

function showBadges() {
  for (const old of find("grid").querySelectorAll(".badges")) old.remove();
  const marked = new Set(MARKS.map((mark) => state[mark]).filter(Boolean));
  for (const id of marked) {
    const cell = find("grid").querySelector(`td[data-id="${id}"]`);
    const badges = MARKS.filter((mark) => state[mark] === id).map(badge);
    cell?.append(element("div", { class: "badges" }, ...badges));
  }
}

function setAvailable(button, available) {
  button.setAttribute("aria-disabled", !available);
}

function showMarks() {
  const both = state.a !== null && state.b !== null;
  find("marks").hidden = state.a === null && state.b === null;
  for (const button of find("marks").querySelectorAll(".mark")) {
    const { mark } = button.dataset;
    const point = pointById.get(state[mark]);
    button.replaceChildren(badge(mark));
    setAvailable(button, point !== undefined);
    if (point) {
      const other = pointById.get(state[mark === "a" ? "b" : "a"]);
      const text = other ? differences(point, other) : describe(point.at);
      button.append(element("img", { src: point.thumbnail, alt: "" }), element("span", {}, text));
    } else {
      button.append(element("span", {}, "not marked"));
    }
  }
  for (const button of find("point").querySelectorAll("[data-mark]")) {
    const isMarked = state.point !== null && state[button.dataset.mark] === state.point;
    button.setAttribute("aria-pressed", isMarked);
    setAvailable(button, pointById.get(state.point)?.state === "done");
  }
  setAvailable(find("compare"), both);
  setAvailable(find("point-compare"), both);
  showBadges();
}

find("marks").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || button.getAttribute("aria-disabled") === "true") return;
  if (button.id === "compare") openComparison();
  else if (button.id === "clear") {
    state.a = state.b = null;
    showMarks();
    save();
    focusCell();
  } else openPoint(pointById.get(state[button.dataset.mark]), () => button.focus());
});

function openComparison() {
  if (find("point").open) find("point").close();
  else returnFocus = () => find("compare").focus();
  state.comparing = true;
  showComparison();
  save();
}

function showComparison() {
  const [a, b] = MARKS.map((mark) => pointById.get(state[mark]));
  find("caption-a").replaceChildren(badge("a"), element("span", {}, differences(a, b)));
  find("caption-b").replaceChildren(badge("b"), element("span", {}, differences(b, a)));
  find("picture-a").src = a.picture;
  find("picture-b").src = b.picture;
  find("compared").style.setProperty("--ratio", a.shape[0] / a.shape[1]);
  showSplit();
  if (!find("comparison").open) find("comparison").showModal();
  find("split").focus();
}

function showSplit() {
  const { value } = find("split");
  find("compared").style.setProperty("--split", `${value}%`);
  find("split").setAttribute("aria-valuetext", `${value} % A`);
}

find("split").addEventListener("input", showSplit);
find("comparison").addEventListener("close", () => {
  if (find("comparison").open) return; // and opened again since
  state.comparing = false;
  returnFocus();
  save();
});
