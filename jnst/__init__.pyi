"""Neural style transfer as it should be in JAX."""

from jnst import losses
from jnst.batch import (
    BatchProgress,
    interpolate,
    interpolate_steps,
    stylize_batch,
    stylize_batch_steps,
)
from jnst.canonical import network_digest, write_network
from jnst.config import Config
from jnst.encoding import save_image
from jnst.errors import DivergedError, NetworkError
from jnst.feature_network import FeatureNetwork
from jnst.frames import frame_durations, open_frames
from jnst.gif_files import save_gif
from jnst.image_files import ImageError
from jnst.images import load_image
from jnst.loop import run, run_batch, stack
from jnst.losses import content_loss, gram_matrix, style_loss, total_variation_loss
from jnst.margin import add_margin, remove_margin
from jnst.movie_files import save_mp4
from jnst.networks import fetch_network, load_network, port_network
from jnst.normalize import normalize_network
from jnst.objective import total_loss
from jnst.optimize import Info, State, init, make_step, named_optimizer
from jnst.plan import Plan, read_plan
from jnst.presets import PRESETS, preset
from jnst.pyramid import Item, Level, Position, Scene, plan_levels, run_levels
from jnst.recipe import load_recipe
from jnst.record import History, Result, Results
from jnst.report import write_report
from jnst.sheet import contact_sheet
from jnst.style_losses import StyleLoss, register_style_loss
from jnst.stylization import (
    reconstruct,
    reconstruct_steps,
    stylize,
    stylize_steps,
    texture,
    texture_steps,
)
from jnst.sweep_folder import SweepError, SweptPoint, read_sweep
from jnst.sweep_runner import Outline, Sweep, SweepProgress, open_sweep, sweep
from jnst.targets import Style, StyleTarget, Targets, make_targets
from jnst.terms import Terms
from jnst.version import __version__
from jnst.vgg import VGG19, Network, extract_features, prepare_network
from jnst.video import stylize_frames

__all__ = [
    "PRESETS",
    "VGG19",
    "BatchProgress",
    "Config",
    "DivergedError",
    "FeatureNetwork",
    "History",
    "ImageError",
    "Info",
    "Item",
    "Level",
    "Network",
    "NetworkError",
    "Outline",
    "Plan",
    "Position",
    "Result",
    "Results",
    "Scene",
    "State",
    "Style",
    "StyleLoss",
    "StyleTarget",
    "Sweep",
    "SweepError",
    "SweepProgress",
    "SweptPoint",
    "Targets",
    "Terms",
    "__version__",
    "add_margin",
    "contact_sheet",
    "content_loss",
    "extract_features",
    "fetch_network",
    "frame_durations",
    "gram_matrix",
    "init",
    "interpolate",
    "interpolate_steps",
    "load_image",
    "load_network",
    "load_recipe",
    "losses",
    "make_step",
    "make_targets",
    "named_optimizer",
    "network_digest",
    "normalize_network",
    "open_frames",
    "open_sweep",
    "plan_levels",
    "port_network",
    "prepare_network",
    "preset",
    "read_plan",
    "read_sweep",
    "reconstruct",
    "reconstruct_steps",
    "register_style_loss",
    "remove_margin",
    "run",
    "run_batch",
    "run_levels",
    "save_gif",
    "save_image",
    "save_mp4",
    "stack",
    "style_loss",
    "stylize",
    "stylize_batch",
    "stylize_batch_steps",
    "stylize_frames",
    "stylize_steps",
    "sweep",
    "texture",
    "texture_steps",
    "total_loss",
    "total_variation_loss",
    "write_network",
    "write_report",
]
