"""What a type checker finds in calls of jnst: mypy fails if one of these is no error."""

import jnst

jnst.stylize("a.jpg", "b.jpg", size=256, style_weight=3, optimizer="adam", network="embedded")
jnst.stylize("a.jpg", "b.jpg", style_layers=["relu1_1"], content_layers="relu3_1")
jnst.stylize("a.jpg", "b.jpg", sise=256)  # type: ignore[call-arg]
jnst.stylize("a.jpg", "b.jpg", size="large")  # type: ignore[arg-type]
jnst.stylize("a.jpg", "b.jpg", optimizer="adamw")  # type: ignore[arg-type]
jnst.texture("b.jpg", content_masks=["m.png"])  # type: ignore[call-arg]
jnst.stylize_batch("a.jpg", ["b.jpg"], batchsize=3)  # type: ignore[call-arg]
jnst.interpolate("a.jpg", ["b.jpg", "c.jpg"], counts=3)  # type: ignore[call-arg]
jnst.stylize_frames(["a.jpg"], "b.jpg", start="c.jpg")  # type: ignore[call-arg]
