// Curves of the loss.

/** Places of losses in a box of 1 x 1, on a logarithmic axis; null if none can be shown. */
function placeLosses(losses) {
  const logs = losses.map((loss) => (loss !== null && loss > 0 ? Math.log10(loss) : null));
  const [low, high] = logs.reduce(
    ([low, high], log) => (log === null ? [low, high] : [Math.min(low, log), Math.max(high, log)]),
    [Infinity, -Infinity],
  );
  if (low > high) return null;
  const last = Math.max(1, losses.length - 1);
  const across = (step) => step / last;
  const down = (log) => (high > low ? (high - log) / (high - low) : 0.5);
  return { logs, low, high, across, down };
}

/** The outline of a curve; it breaks where a loss is no number. */
function outline({ logs, across, down }, width, height, left = 0, top = 0) {
  let path = "";
  let pen = "M";
  logs.forEach((log, step) => {
    if (log === null) {
      pen = "M";
      return;
    }
    const [x, y] = [left + across(step) * width, top + down(log) * height];
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

function sparkline(losses) {
  const places = placeLosses(losses);
  if (places === null) return null;
  return drawing(
    "svg",
    { viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("path", { class: "curve", d: outline(places, 98, 13, 1, 1.5) }),
  );
}

/** Round values between two logarithms: powers of ten, with 2 and 5 of each if that is few. */
function ticksBetween(low, high) {
  const decades = Math.floor(high) - Math.ceil(low) + 1;
  const stride = Math.ceil(Math.max(1, decades) / 6);
  const ticks = [];
  for (let power = Math.floor(low); power <= high; power += stride) {
    for (const first of decades > 2 ? [1] : [1, 2, 5]) {
      const log = power + Math.log10(first);
      if (log >= low && log <= high) ticks.push(log);
    }
  }
  return ticks.length > 1 ? ticks : [...new Set([low, high])];
}

/** A curve with its axes; `levels` are the sizes that it went through, with their steps. */
function chart(name, losses, levels) {
  const places = placeLosses(losses);
  if (places === null) return element("p", {}, "No loss was recorded.");
  const [width, height, left, top] = [336, 150, 58, 20];
  const [first, last] = [losses[0], losses.at(-1)].map((x) => numberText(x ?? NaN, 3));
  const svg = drawing("svg", {
    class: "chart",
    viewBox: `0 0 ${left + width + 6} ${top + height + 40}`,
    role: "img",
    "aria-label": `${name}, logarithmic, from ${first} to ${last} in ${losses.length} steps`,
  });
  for (const log of ticksBetween(places.low, places.high)) {
    const y = top + places.down(log) * height;
    svg.append(
      drawing("line", { class: "tick", x1: left, x2: left + width, y1: y, y2: y }),
      drawing("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, numberText(10 ** log, 3)),
    );
  }
  let step = 0;
  let free = -Infinity;
  for (const [size, steps] of levels) {
    const x = left + places.across(step) * width;
    if (step > 0) {
      svg.append(drawing("line", { class: "level", x1: x, x2: x, y1: 4, y2: top + height }));
    }
    if (x >= free) {
      svg.append(drawing("text", { x: x + 4, y: 12 }, `${size} px`));
      free = x + 52;
    }
    step += steps;
  }
  svg.append(drawing("path", { class: "curve", d: outline(places, width, height, left, top) }));
  for (const [x, text, anchor] of [
    [left, "0", "start"],
    [left + width / 2, "steps", "middle"],
    [left + width, String(losses.length - 1), "end"],
  ]) {
    svg.append(drawing("text", { x, y: top + height + 20, "text-anchor": anchor }, text));
  }
  return svg;
}
