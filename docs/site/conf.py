"""The documentation site: `make docs` builds it in build/site, with every warning an error and without network.

The source folder is the whole clone, of which `include_patterns` takes the pages. So one relative link serves the site
and whoever reads the files in the repository, and the pages of examples and benchmarks are pages of the site.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Lamplighter"
html_show_copyright = False
extensions = ["myst_parser", "mathml", "command_pages", "python_pages"]
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/**.md", "benchmarks/**.md"]
exclude_patterns = [".*", "build", "README.md", "tests", "python", "runs"]
suppress_warnings = ["myst.header"]  # tables of results, which scripts write, begin with small headings

# GitHub's anchors of headings, so that links to parts of pages mean the same everywhere
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]

html_math_renderer = "mathml"
# A theme that fetches no font or script from elsewhere.
html_theme = "furo"
html_title = "Lamplighter"
html_extra_path = ["start"]
html_copy_source = False
html_show_sphinx = False
