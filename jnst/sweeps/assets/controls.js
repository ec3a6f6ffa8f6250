// Which axes and which values are seen.

function showControls() {
  for (const [which, axis, other] of [
    ["rows", state.rows, state.columns],
    ["columns", state.columns, state.rows],
  ]) {
    const options = axes.map(({ name, values }, number) => {
      const attributes = { value: number, disabled: number === other };
      return element("option", attributes, `${name} (${values.length})`);
    });
    find(which).replaceChildren(...options);
    find(which).value = axis ?? "";
  }
  find("axes").hidden = axes.length < 2;
  const option = (name) => element("option", { value: name }, NUMBERS[name]);
  find("number").replaceChildren(...numbers.map(option));
  find("number").value = state.number;
  find("number-control").hidden = numbers.length < 2;
  const others = [...axes.keys()].filter(
    (axis) => isSelected(axis) && axes[axis].values.length > 1,
  );
  find("selectors").replaceChildren(...others.map(selector));
}

/** A list of the values of an axis that is neither rows nor columns, with a step to either side. */
function selector(axis) {
  const { name, values } = axes[axis];
  const option = (value, number) => element("option", { value: number }, valueText(value));
  const select = element("select", { id: `axis-${axis}` }, ...values.map(option));
  select.value = state.at[axis];
  const buttons = [["previous", -1, "‹"], ["next", 1, "›"]].map(([word, step, sign]) => {
    const button = element("button", { type: "button", "aria-label": `${word} ${name}` }, sign);
    button.addEventListener("click", () => choose(Number(select.value) + step));
    return button;
  });
  const showEnds = () => {
    buttons[0].setAttribute("aria-disabled", state.at[axis] === 0);
    buttons[1].setAttribute("aria-disabled", state.at[axis] === values.length - 1);
  };
  const choose = (number) => {
    if (!values[number]) return;
    state.at[axis] = number;
    select.value = number;
    showEnds();
    showInputs();
    showGrid();
    save();
  };
  select.addEventListener("change", () => choose(Number(select.value)));
  showEnds();
  return element(
    "div",
    { class: "control" },
    element("label", { for: select.id }, name),
    element("div", { class: "stepper" }, buttons[0], select, buttons[1]),
  );
}

/** What all pictures of the grid have in common, as far as no selector says it. */
function showInputs() {
  const common = axes.flatMap(({ values }, axis) => {
    if (!isSelected(axis)) return [];
    return values[state.at[axis]].flatMap((setting) => {
      if (isInput(setting)) return [inputFigure(setting)];
      if (values.length > 1) return [];
      const [name, text] = setting;
      return [element("div", { class: "setting" }, element("span", {}, name), text)];
    });
  });
  find("inputs").replaceChildren(...common);
}

function chooseAxes(rows, columns) {
  [state.rows, state.columns] = [rows, columns];
  showControls();
  showInputs();
  showGrid();
  save();
}

for (const which of ["rows", "columns"]) {
  const chosen = () => chooseAxes(Number(find("rows").value), Number(find("columns").value));
  find(which).addEventListener("change", chosen);
}
find("number").addEventListener("change", () => {
  state.number = find("number").value;
  showGrid();
  save();
});
find("swap").addEventListener("click", () => chooseAxes(state.columns, state.rows));
