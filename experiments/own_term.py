"""A loss term of your own: a picture that is its own mirror image, more or less.

    python experiments/own_term.py photo.jpg painting.jpg -o mirrored.png

What to see in mirrored-0.png, mirrored-100.png and mirrored-10000.png: the larger the weight, the
more alike are the halves. All three are run by one compiled program. The recipe in a picture has
the name of the term and its weight.
"""

# %%
import common
import jax.numpy as jnp

import jnst

options = common.picture_arguments(__doc__)

# %% A term is a function of the image (H, W, 3) and of its features by layer.


def asymmetry(image, features):
    return jnp.square(image - image[:, ::-1]).mean()


# %% Its weight is traced: another one compiles nothing.
settings = {"size": options.size, "steps": options.steps}
results = {
    weight: jnst.stylize(
        *options.pictures, extra_terms={"asymmetry": (weight, asymmetry)}, **settings
    )
    for weight in (0, 100, 10_000)
}

# %%
for weight, result in results.items():
    result.save(options.output.with_stem(f"{options.output.stem}-{weight}"))
    print(f"weight {weight}: {result.history.to_dict()['loss/extra/asymmetry'][-1]:.2g}")
