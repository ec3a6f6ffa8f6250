"""Optimizers of your own: anything of optax, beside the L-BFGS of jnst.

    python experiments/own_optimizer.py photo.jpg painting.jpg -o optimizers.png

What to see: after the same number of gradients L-BFGS has the lowest loss and the most finished
strokes. Of the others, Prodigy needs no learning rate, and can be the slowest.
"""

# %%
import common
import optax

import jnst

options = common.picture_arguments(__doc__)

# %% An optimizer is an optax.GradientTransformation. A rate may be a schedule.
optimizers = {
    "lbfgs": "lbfgs",
    "adam": optax.adam(optax.cosine_decay_schedule(0.05, options.steps)),
    "lion": optax.lion(optax.cosine_decay_schedule(0.01, options.steps)),
    "prodigy": optax.contrib.prodigy(),
}

# %% One level, so that all losses are of the same size.
config = jnst.Config(size=options.size, steps=options.steps, levels=1)
results = {
    name: jnst.stylize(*options.pictures, config=config, optimizer=each)
    for name, each in optimizers.items()
}

# %%
labels = [f"{name}, loss {each.history.loss.min():.3g}" for name, each in results.items()]
images = [result.image for result in results.values()]
jnst.save_image(options.output, jnst.contact_sheet(images, labels, columns=4))
print(*labels, sep="\n")
