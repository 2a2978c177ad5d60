"""Celeb-DF-v2 (Li et al. 2020) in the official folder layout.

    Celeb-real/id0_0000.mp4   YouTube-real/00000.mp4   Celeb-synthesis/id0_id1_0000.mp4
    List_of_testing_videos.txt: 518 lines `1 YouTube-real/00170.mp4`

In that list 1 means real and 0 fake, the opposite of this project; the folder and the list must agree.

The official test list is not disjoint from the rest by celebrity. The list stays the test set; other clips of a group
that occurs in it are marked `excluded`, so that nothing can be trained on people of the test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from awarenet.errors import DataError
from training.datasets.manifest import EXCLUDED, FAKE, REAL, UNASSIGNED, Record, named, require_files
from training.datasets.splits import Components

FOLDERS = {"Celeb-real": REAL, "YouTube-real": REAL, "Celeb-synthesis": FAKE}
TEST_LIST = "List_of_testing_videos.txt"
TEST_COUNT = 518


def records(root: Path) -> Iterator[Record]:
    """Reads the data set.

    Args:
        root: Folder that holds `Celeb-real` and the test list.

    Yields:
        One record a clip.

    Raises:
        DataError: A folder, the list or a listed clip is missing, the list has not 518 lines, or list and folder
            disagree about a label.
    """
    clips: list[str] = []
    for folder in FOLDERS:
        found = sorted((root / folder).glob("*.mp4"))
        if not found:
            raise DataError(f"{root / folder}: no clips; unpack all of Celeb-DF-v2 there")
        clips += [path.relative_to(root).as_posix() for path in found]
    tested = {*_read_test_list(root)}
    components = Components()
    for clip in clips:
        components.connect(*_people(clip))
    group_of = {clip: f"celebdf:{components.root(_people(clip)[0])}" for clip in clips}
    tested_groups = {group_of[clip] for clip in tested}
    for clip in clips:
        folder, group = clip.split("/")[0], group_of[clip]
        split = "test" if clip in tested else EXCLUDED if group in tested_groups else UNASSIGNED
        yield Record(clip, FOLDERS[folder], "celeb_df_v2", "celeb_df_v2", folder, "", group, split)


def _read_test_list(root: Path) -> list[str]:
    """The clips of the official test list, held against the labels that their folders give them."""
    try:
        lines = (root / TEST_LIST).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{root / TEST_LIST}: cannot be read ({error}); it is part of Celeb-DF-v2") from error
    rows = [line.split() for line in lines if line.strip()]
    odd = [row for row in rows if len(row) != 2 or row[0] not in ("0", "1") or row[1].split("/")[0] not in FOLDERS]
    if odd:
        raise DataError(f"{root / TEST_LIST}: lines that are not `0|1 folder/clip.mp4`: {named(odd)}; restore the file")
    # The list counts 1 as real; here 1 is fake.
    swapped = [path for flag, path in rows if 1 - int(flag) != FOLDERS[path.split("/")[0]]]
    if swapped:
        raise DataError(
            f"{root / TEST_LIST}: label and folder disagree for {named(swapped)}; the list must have 1 for real"
        )
    clips = [path for _, path in rows]
    if len({*clips}) != TEST_COUNT or len(clips) != TEST_COUNT:
        raise DataError(f"{root / TEST_LIST}: {len({*clips})} different clips, {TEST_COUNT} expected; restore the file")
    require_files(root, clips, "unpack all of Celeb-DF-v2 there")
    return clips


def _people(clip: str) -> list[str]:
    """Celebrity numbers of a clip, or the clip itself for YouTube-real, where everybody occurs once."""
    stem = Path(clip).stem
    ids = [part for part in stem.split("_") if part.startswith("id")]
    return ids or [f"youtube{stem}"]
