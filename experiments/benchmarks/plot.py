"""The plot of the loss over time."""

from collections.abc import Mapping
from pathlib import Path

from measures import Curve


def plot_losses(path: Path, curves: Mapping[str, Curve]) -> None:
    """Plot the lowest loss so far against seconds, with and without compilation."""
    import matplotlib  # an optional extra: nothing else here needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(12, 5), sharey=True, layout="constrained")
    titles = {
        "cold": "from the call on",
        "warm": "without reading, targets and compilation",
    }
    for axis, (clock, title) in zip(axes, titles.items(), strict=True):
        for name, curve in curves.items():
            line = "-" if name.startswith("jnst") else "--"
            axis.plot(getattr(curve, clock), curve.loss, line, label=name)
        axis.set(title=title, xlabel="seconds", yscale="log")
        axis.grid(which="both", alpha=0.2)
    axes[0].set_ylabel("lowest loss so far")
    axes[1].legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
