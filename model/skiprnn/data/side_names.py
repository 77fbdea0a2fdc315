"""Which recording a row of a side table is about.

A recording has these names, the most exact first:

    its path within the data      `ann/7.csv`; in a table of many recordings with its id, `all.csv:3`
    the path without the ending   `ann/7`; or the id alone, `3`
    the file's name               `7.csv`
    that without the ending       `7`

A name is that of the recording that it names most exactly: `7.csv` is the file beside the folder `ann`, not the one in
it. Where it names two recordings equally well, it tells neither.
"""

from collections.abc import Sequence

from skiprnn.data.files import shown, stem


def side_names(file: str, id: str = "") -> tuple[str, ...]:
    """Names of a recording, the most exact first: the first one is its own.

    Args:
        file: its path within the data, with `/`.
        id: of a recording in a table of many.
    """
    if id:
        return f"{file}:{id}", id
    last = file.rsplit("/", 1)[-1]
    return tuple(dict.fromkeys((file, stem(file), last, stem(last))))


class SideNames:
    """The names of some recordings.

    Args:
        recordings: the names of each, as `side_names` gives them.
    """

    def __init__(self, recordings: Sequence[Sequence[str]]) -> None:
        self._ranked: dict[str, dict[int, list[str]]] = {}
        for names in dict.fromkeys(map(tuple, recordings)):
            for rank, name in enumerate(names):
                self._ranked.setdefault(name, {}).setdefault(rank, []).append(names[0])

    def __contains__(self, name: object) -> bool:
        return name in self._ranked

    def __getitem__(self, name: str) -> str:
        """The recording's own name. Raises KeyError: none has the name; ValueError: two have it."""
        ranks = self._ranked[name]
        found = ranks[min(ranks)]
        if len(found) > 1:
            raise ValueError(
                f"expected a name of one recording, got {name!r}, which is that of {shown(found)}"
            )
        return found[0]
