"""May this tag be released? Says all that is missing, and ends with 1 when something is.

python3 .github/check_release.py v0.2.0 https://github.com/OWNER/NAME
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path


def problems(root: Path, tag: str, repository: str) -> Iterator[str]:
    """What has to be done before `tag` of the repository at that address is released; nothing when it is ready."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    if tag != f"v{project['version']}":
        yield f"the tag: expected v{project['version']} (pyproject.toml), got {tag}"
    if not re.search(rf"^## \[{re.escape(project['version'])}\]", (root / "CHANGELOG.md").read_text(), re.M):
        yield f"CHANGELOG.md: expected a section ## [{project['version']}], found none"
    if project["urls"]["Source"] != repository:
        yield f"pyproject.toml, project.urls.Source: expected {repository}, got {project['urls']['Source']}"
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md"):
        if not re.search(r"^Address: \S+@\S+$", (root / name).read_text(), re.M):
            yield f"{name}: expected a line 'Address: NAME@HOST', found none"


def main() -> None:
    found = list(problems(Path.cwd(), *sys.argv[1:]))
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
