"""Pages that open from disk, offline, with their pictures inside."""

import base64
import html
from pathlib import Path

import numpy as np

import jnst

STYLE = (
    "body{font:15px sans-serif;margin:2em}figure{display:inline-block;margin:4px}"
    "img{max-width:100%}td,th{padding:2px 10px;text-align:right}th[colspan]{text-align:center}"
    "pre{white-space:pre-wrap}"
)


def write_page(path: Path, title: str, body: str) -> None:
    """A page with a title and a body of HTML."""
    title = html.escape(title)
    path.write_text(
        f"<!doctype html><meta charset=utf-8><title>{title}</title>"
        f"<style>{STYLE}</style><h1>{title}</h1>{body}",
        encoding="utf-8",
    )


def image_tag(png: bytes, caption: str) -> str:
    """A picture inside the page, with its caption."""
    source = base64.b64encode(png).decode()
    caption = html.escape(caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{source}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def png_of(image: np.ndarray, path: Path) -> bytes:
    """The bytes of a picture that is also written to `path`."""
    jnst.save_image(path, image)
    return path.read_bytes()


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table, the first column of which names its rows."""
    columns = "".join(f"<th>{html.escape(each)}" for each in head)
    body = "".join(
        f"<tr><th>{html.escape(name)}" + "".join(f"<td>{html.escape(each)}" for each in cells)
        for name, *cells in rows
    )
    return f"<table><tr>{columns}{body}</table>"
