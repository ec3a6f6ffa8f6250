"""`jnst video`: a sequence of frames."""

import argparse
import dataclasses
import itertools
from pathlib import Path
from typing import Any

from jnst.checks import whole_number
from jnst.cli_common import (
    add_command,
    fail,
    interrupted_status,
    noticing,
    picture_path,
    say,
    terminal,
    uninterrupted,
)
from jnst.cli_options import add_run_options, config_of, inputs_of, network_of
from jnst.frames import frame_durations, frame_numbers, open_frames
from jnst.image_files import check_place
from jnst.networks import load_network
from jnst.outputs import check_no_input, check_no_numbered_input
from jnst.settings import INITS
from jnst.video import flow_paths, stylize_frames_steps
from jnst.video_files import UnfinishedVideo, VideoFolder, VideoGif, video_key


def add_video_commands(commands: Any) -> None:
    """Declare `jnst video`."""
    command = add_command(commands, "video", video_command)
    command.add_argument("frames", type=Path, help="a GIF, or a folder of pictures")
    command.add_argument(
        "style", type=picture_path, nargs="+", help="the pictures whose manner is taken"
    )
    command.add_argument(
        "--flow",
        type=Path,
        metavar="FOLDER",
        help="optical flow: backward_2_1.flo, forward_1_2.flo, by the numbers in the frames' names",
    )
    command.add_argument(
        "--frame-steps",
        type=int,
        metavar="N",
        help="steps of every frame after the first (unset: 0.3 times --steps)",
    )
    add_run_options(command, output="a .gif file, or a folder", saves=False)


def video_command(options: argparse.Namespace) -> int:
    """`jnst video`: a GIF or a folder of frames, each started from the last."""
    frames, out, frame_steps = open_frames(options.frames), options.output, options.frame_steps
    if frame_steps is not None:
        whole_number("--frame-steps", frame_steps, minimum=1)
    _check_output(out, options)
    config, name = config_of(options, {}), network_of(options, options.style)
    network = load_network(name)
    files: list[Any] = [options.frames] if options.frames.is_file() else list(frames)
    if config.init and config.init not in INITS:
        files.append(config.init)
    if options.flow is not None:
        files += itertools.chain(*flow_paths(options.flow, frame_numbers(frames)))
    key = video_key(config, frame_steps, network.digest, [*files, *options.style])
    video = VideoGif(out, frame_durations(frames)) if _is_gif(out) else VideoFolder(out)
    unfinished = UnfinishedVideo(video, key)
    state = unfinished.load()
    done = state.done if state else 0
    steps = stylize_frames_steps(
        frames,
        list(map(str, options.style)),
        flows=options.flow,
        frame_steps=frame_steps,
        resume=state,
        network=network,
        config=config,
    )
    if done:
        terminal().print(f"goes on behind frame {done} of {len(frames)}")
    try:
        for result, state in noticing(steps):
            with uninterrupted():
                named = result.network | {"load": str(name)}
                video.write(dataclasses.replace(result, network=named))
                done = state.done
                _save(unfinished, state)
            terminal().print(f"{done} of {len(frames)}")
    except KeyboardInterrupt:
        if not done:
            raise
        wrote = f"wrote {done} of {len(frames)} frames to {out}; the same command goes on"
        return fail(f"interrupted: {wrote}", interrupted_status())
    unfinished.remove()
    terminal().print(f"wrote {done} frames to {out}", markup=False, soft_wrap=True)
    return 0


def _save(unfinished: UnfinishedVideo, state: Any) -> None:
    try:
        unfinished.save(state)
    except OSError as error:  # the frames themselves are written
        say(f"{unfinished.path}: cannot be written ({error.strerror}); a run that is stopped now "
            "begins again")  # fmt: skip


def _check_output(out: Path, options: argparse.Namespace) -> None:
    """ValueError unless the video can be written there, over nothing that is read."""
    if not _is_gif(out):
        if out.suffix:
            raise ValueError(f"{out}: a .gif file or a folder is accepted")
        if out.exists() and not out.is_dir():
            raise ValueError(f"{out}: is not a folder")
    elif not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")
    check_no_input(out, [options.frames])
    if not _is_gif(out) and out.is_dir():
        check_no_numbered_input(out / "frame.png", inputs_of(options, *options.style))
    check_place(out if _is_gif(out) else _nearest_folder(out) / "any.png")


def _is_gif(path: Path) -> bool:
    return path.suffix.lower() == ".gif"


def _nearest_folder(path: Path) -> Path:
    """The folder that is there, in which the others would be made."""
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.is_dir())
