"""The first picture of the README, by the README's own example.

python docs/displays/make_readme_picture.py
"""

from __future__ import annotations

import os
import runpy
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        runpy.run_path(str(ROOT / "examples" / "plot_bmi.py"))
        picture = Image.open("bmi_effect.png").convert("RGB")
        os.chdir(ROOT)
    target = ROOT / "docs" / "_static" / "bmi_effect.png"
    target.parent.mkdir(exist_ok=True)
    small = picture.quantize(128, dither=Image.Dither.NONE)
    small.save(target, optimize=True)
    print(f"{target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
