"""Neural style transfer as it should be in JAX."""

from jnst import losses, metrics
from jnst.common.errors import DivergedError, NetworkError
from jnst.common.version import __version__
from jnst.images.contact_sheets import contact_sheet
from jnst.images.encoding import save_image
from jnst.images.files import ImageError
from jnst.images.loading import load_image
from jnst.losses import content_loss, gram_matrix, style_loss, total_variation_loss
from jnst.networks.feature_network import FeatureNetwork
from jnst.networks.files.canonical import network_digest, write_network
from jnst.networks.loading import fetch_network, load_network, port_network
from jnst.networks.normalization import normalize_network
from jnst.networks.preparation import prepare_network
from jnst.networks.vgg import VGG, Network, extract_features
from jnst.objective.margin import add_margin, remove_margin
from jnst.objective.problem import Problem
from jnst.objective.style_losses import StyleLoss, register_style_loss
from jnst.objective.style_targets import Style, StyleTarget
from jnst.objective.targets import Targets, make_targets
from jnst.objective.total import total_loss
from jnst.optimizers.loop import run, run_batch, stack
from jnst.optimizers.named import named_optimizer
from jnst.optimizers.state import Info, State, init
from jnst.optimizers.steps import make_step
from jnst.runs.batches import (
    BatchProgress,
    interpolate,
    interpolate_steps,
    stylize_batch,
    stylize_batch_steps,
)
from jnst.runs.engine import Position, run_levels
from jnst.runs.jobs import Job
from jnst.runs.levels import Level, plan_levels
from jnst.runs.recipes import load_recipe
from jnst.runs.results import History, Result, Results
from jnst.runs.stylization import (
    reconstruct,
    reconstruct_steps,
    stylize,
    stylize_steps,
    texture,
    texture_steps,
)
from jnst.settings.citations import citation
from jnst.settings.config import Config
from jnst.settings.presets import PRESETS, preset
from jnst.settings.terms import Terms
from jnst.sweeps.executors import open_executor
from jnst.sweeps.folder import FinishedPoint, SweepError, read_sweep
from jnst.sweeps.plans import Plan, read_plan
from jnst.sweeps.report import write_report
from jnst.sweeps.runner import Outline, Sweep, SweepProgress, open_sweep, sweep
from jnst.video.frames import frame_durations, open_frames
from jnst.video.gif_files import save_gif
from jnst.video.movie_files import save_mp4
from jnst.video.sequences import stylize_frames

__all__ = [
    "PRESETS",
    "VGG",
    "BatchProgress",
    "Config",
    "DivergedError",
    "FeatureNetwork",
    "FinishedPoint",
    "History",
    "ImageError",
    "Info",
    "Job",
    "Level",
    "Network",
    "NetworkError",
    "Outline",
    "Plan",
    "Position",
    "Problem",
    "Result",
    "Results",
    "State",
    "Style",
    "StyleLoss",
    "StyleTarget",
    "Sweep",
    "SweepError",
    "SweepProgress",
    "Targets",
    "Terms",
    "__version__",
    "add_margin",
    "citation",
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
    "metrics",
    "named_optimizer",
    "network_digest",
    "normalize_network",
    "open_executor",
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
