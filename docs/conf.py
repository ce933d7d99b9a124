"""Sphinx configuration. Build: python -m sphinx -W -b html docs docs/_build/html."""

import re
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import house

import skfme

project = "skfme"
author = "The skfme developers"
copyright = "The skfme developers"
version = release = skfme.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "mathml",
]
html_math_renderer = "mathml"
templates_path = ["_templates"]
exclude_patterns = ["_build"]

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

plot_formats = [("png", 110)]
plot_include_source = True
plot_html_show_formats = False
plot_html_show_source_link = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", "gallery.refuse_warnings"),
    "reset_modules_order": "both",
    "download_all_examples": False,
    "capture_repr": ("_repr_html_",),  # of a display, the picture is enough
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "skfme"
html_show_sourcelink = False
# Pages without a section have nothing for a sidebar to list.
html_sidebars = {
    page: []
    for page in (
        "benchmarks",
        "changelog",
        "citation",
        "coming_from",
        "contributing",
        "coverage",
        "displays",
        "getting_started",
        "glossary",
        "index",
        "installation",
        "method",
        "promises",
        "recipes",
        "supported",
        "trust",
    )
}
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
}
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["pages.css"]


def quote_fitted_attributes(app, what, name, obj, options, lines):
    """Quote names such as n_features_in_ in shapes; bare, they would be links."""
    for i, line in enumerate(lines):
        if "of shape (" in line:
            lines[i] = re.sub(r"(?<=[( ])(\w+_)(?=[,)])", r"``\1``", line)


def draw_house(app):
    """Draw the rooms of the package, so that the picture follows the code."""
    house.draw(Path(__file__).resolve().parent / "generated" / "house.svg")


def setup(app):
    app.connect("builder-inited", draw_house)
    # Before numpydoc, whose priority is 500.
    app.connect("autodoc-process-docstring", quote_fitted_attributes, priority=400)
