"""Print the oldest supported versions as pip constraints: `>=` of pyproject.toml as `==`."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
for requirement in project["dependencies"] + extras["test"]:
    print(requirement.replace(">=", "=="))
