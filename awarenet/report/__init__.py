"""The HTML report of `awarenet detect`: one self-contained page with pictures, boxes, scores and their reasons."""

from awarenet.report.page import HtmlReport

__all__ = ["HtmlReport"]
