"""`jnst video`: stylize a sequence of frames."""

import argparse
import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jnst
from jnst.cli.commands import (
    add_command,
    add_styles,
    fail,
    interrupted_status,
    noticing,
    say,
    uninterrupted,
)
from jnst.cli.options import add_run_options, config_of, inputs_of, network_of
from jnst.cli.outputs import check_no_input, check_no_numbered_input
from jnst.common.progress import following, tell
from jnst.common.validation import finite_number, whole_number
from jnst.images.files import check_place
from jnst.images.sources import Source
from jnst.settings.fields import INITS
from jnst.video.durations import FASTEST, FASTEST_GIF, SLOWEST, gif_milliseconds
from jnst.video.frames import frame_durations, frame_numbers, open_frames
from jnst.video.movie_files import MOVIES, check_mp4


def add_video_commands(commands: Any) -> None:
    """Declare `jnst video`."""
    command = add_command(
        commands,
        "video",
        video_command,
        usage="[options] FRAMES STYLE... -o OUTPUT",
        examples=("frames/ painting.jpg -o painted.gif", "short.mp4 painting.jpg -o painted.mp4"),
    )
    command.add_argument(
        "frames",
        type=Path,
        metavar="FRAMES",
        help=f"a folder of pictures, a GIF, or a video ({', '.join(MOVIES)}; without its sound)",
    )
    add_styles(command, "the pictures whose style is taken")
    command.add_argument(
        "--flow",
        type=Path,
        metavar="FOLDER",
        help="optical flow: files backward_2_1.flo, forward_1_2.flo, ... with the frames' numbers",
    )
    command.add_argument(
        "--frame-steps",
        type=int,
        metavar="N",
        help="steps of each frame after the first (unset: 0.3 times --steps)",
    )
    command.add_argument(
        "--fps",
        type=float,
        metavar="X",
        help="frames per second of the mp4 or GIF (unset: as FRAMES, 10 for a folder); no frame "
        "is left out. A GIF has at most 100, and keeps rates other than 100/N on average",
    )
    add_run_options(command, output="a .gif or .mp4 file, or a folder", saves=False)


def video_command(options: argparse.Namespace) -> int:
    """`jnst video`: stylize a folder of frames, a GIF or a video."""
    from jnst.video.sequences import flow_paths, stylize_frames_steps
    from jnst.video.video_files import UnfinishedVideo, video_key, video_writer

    out, frame_steps, fps = options.output, options.frame_steps, options.fps
    frames, files, durations = _checked_frames(options)
    config, name = config_of(options, {}), network_of(options, options.style)
    network = jnst.load_network(name)
    start = [config.init] if config.init and config.init not in INITS else []
    flows = [] if options.flow is None else flow_paths(options.flow, frame_numbers(frames))
    groups = files or [options.frames], options.style, start, list(itertools.chain(*flows))
    rate = fps if _is_gif(out) else None  # other frames do not depend on the rate
    key = video_key(config, frame_steps, network.digest, groups, fps=rate)
    video = video_writer(out, durations)
    check_no_input(video.growing, [options.frames])
    unfinished = UnfinishedVideo(video, key)
    state = unfinished.load()
    done, warned = state.done if state else 0, False
    steps = stylize_frames_steps(
        frames,
        list(map(str, options.style)),
        flows=options.flow,
        frame_steps=frame_steps,
        resume=state,
        network=network,
        config=config,
    )
    try:
        with following(out, quiet=options.quiet) as advance:
            begun = "continuing" if done else "compiling"
            advance(done / len(frames), f"{done} of {len(frames)} frames", begun)
            for result, state in noticing(steps):
                with uninterrupted():
                    named = result.network | {"load": str(name)}
                    video.write(dataclasses.replace(result, network=named))
                    done = state.done
                    kept = unfinished.save(state)
                if not kept and not warned:
                    warned = True
                    say(f"{unfinished.path}: cannot be written; a stopped run will begin again")
                stage = f"{done} of {len(frames)} frames"
                advance(done / len(frames), stage, f"{result.steps} steps")
            video.finish()
    except KeyboardInterrupt:
        if not done:
            raise
        wrote = f"wrote {done} of {len(frames)} frames to {video.growing}"
        goes_on = "" if warned else "; the same command continues"
        return fail(f"interrupted: {wrote}{goes_on}", interrupted_status())
    unfinished.remove()
    tell(f"wrote {done} frames to {out}", quiet=options.quiet)
    return 0


def _checked_frames(options: argparse.Namespace) -> tuple[Sequence[Source], list[Any], list[float]]:
    """The frames, their files if they are some, and how long each is shown.

    ValueError if an option about them, or the output, is not accepted.
    """
    if options.frame_steps is not None:
        whole_number("--frame-steps", options.frame_steps, minimum=1)
    _check_rate(options.output, options.fps)
    frames = open_frames(options.frames)
    files: list[Any] = [] if options.frames.is_file() else list(frames)
    _check_output(options.output, files, options)
    rate = options.fps
    durations = frame_durations(frames) if rate is None else [1000 / rate] * len(frames)
    if _is_gif(options.output):
        _check_gif(options.output, durations, options)
    return frames, files, durations


def _check_output(out: Path, frames: Sequence[Any], options: argparse.Namespace) -> None:
    """ValueError unless the video can be written to `out` and `out` is no input."""
    if not _is_file(out):
        if out.suffix:
            raise ValueError(f"{out}: a .gif or .mp4 file or a folder is accepted")
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out}: is not a folder")
    elif not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")
    inputs = [options.frames, *frames, *inputs_of(options, *options.style)]
    check_no_input(out, inputs)
    if not _is_file(out) and out.is_dir():
        check_no_numbered_input(out / "frame.png", inputs)
    check_place(out if _is_file(out) else _nearest_folder(out) / "any.png")
    if _is_mp4(out):
        check_mp4(out)


def _check_rate(out: Path, fps: float | None) -> None:
    """ValueError unless the output can have this rate."""
    if fps is None:
        return
    if not _is_file(out):
        raise ValueError(f"--fps is given, but {out} is no .gif or .mp4 file")
    kind, fastest = ("a GIF", FASTEST_GIF) if _is_gif(out) else ("an mp4", FASTEST)
    finite_number(f"--fps of {kind}", fps, minimum=SLOWEST, maximum=fastest)


def _check_gif(out: Path, durations: Sequence[float], options: argparse.Namespace) -> None:
    """ValueError if the GIF would be too fast; prints a line if it keeps its rate on average."""
    rate = 1000 * len(durations) / sum(durations)
    if rate > FASTEST_GIF + 0.5:
        raise ValueError(
            f"{options.frames}: has {rate:.4g} frames a second, a GIF at most {FASTEST_GIF}; "
            "choose another rate with --fps"
        )
    written = list(gif_milliseconds(durations))
    if any(abs(each - exact) > 0.01 for each, exact in zip(written, durations, strict=True)):
        tell(
            f"{out}: a GIF counts hundredths of a second; "
            f"{rate:.4g} frames a second are kept on average",
            quiet=options.quiet,
        )


def _is_gif(path: Path) -> bool:
    return path.suffix.lower() == ".gif"


def _is_mp4(path: Path) -> bool:
    return path.suffix.lower() == MOVIES[0]


def _is_file(path: Path) -> bool:
    return _is_gif(path) or _is_mp4(path)


def _nearest_folder(path: Path) -> Path:
    """The nearest existing parent folder of a path, or the path itself."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
