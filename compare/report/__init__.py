"""The report of a study, of a monitored run, of toys, or of two studies side by side.

report        from a saved file to one HTML file, or to its figures
legible       texts of a file as a page and its figures can show them
saved_study   a study of networks, read and aggregated once
pages/        what stands on each kind of page, in which order
figures/      one figure a file
tables/       tables, and the cells that they are made of
html/         pages as data, captions, colours, templates
gallery       the figures of the documentation, from kept study files
"""

from compare.report.html.output import check_page
from compare.report.report import default_path, draw, render, write, write_figures

__all__ = ["check_page", "default_path", "draw", "render", "write", "write_figures"]
