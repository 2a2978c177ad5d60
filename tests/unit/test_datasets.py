"""Data-set adapters on tiny fixtures in the exact official layouts, made here."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awarenet.errors import DataError
from training.datasets import (
    Record,
    assign_splits,
    celeb_df,
    df40,
    dfdc,
    faceforensics,
    folder,
    read_manifest,
    require_disjoint_groups,
    table,
    to_manifest,
    write_manifest,
)
from training.datasets.manifest import EXCLUDED, require_both_classes
from training.datasets.splits import require_apart

PAIRS = {"train": [["071", "054"], ["087", "081"]], "val": [["720", "672"]], "test": [["953", "974"]]}


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def make_faceforensics(root: Path, compressions: Iterable[str] = ("c23",)) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for split, pairs in PAIRS.items():
        (root / f"{split}.json").write_text(json.dumps(pairs))
    for compression in compressions:
        for a, b in [pair for pairs in PAIRS.values() for pair in pairs]:
            touch(root, *(f"original_sequences/youtube/{compression}/videos/{name}.mp4" for name in (a, b)))
            for method in faceforensics.METHODS:
                base = f"manipulated_sequences/{method}/{compression}/videos"
                touch(root, f"{base}/{a}_{b}.mp4", f"{base}/{b}_{a}.mp4")
        touch(
            root,
            f"original_sequences/actors/{compression}/videos/01__kitchen_pan.mp4",
            f"original_sequences/actors/{compression}/videos/02__hugging_happy.mp4",
            f"manipulated_sequences/DeepFakeDetection/{compression}/videos/01_02__hugging_happy__YVGY8LOK.mp4",
        )
    return root


def make_celeb_df(root: Path) -> Path:
    reals = [f"Celeb-real/id{person}_{clip:04d}.mp4" for person in range(60) for clip in range(3)]
    # Celebrities are swapped in twos: id0 with id1, id2 with id3, ...
    fakes = [f"Celeb-synthesis/id{p}_id{p ^ 1}_{clip:04d}.mp4" for p in range(60) for clip in range(7)]
    youtube = [f"YouTube-real/{clip:05d}.mp4" for clip in range(80)]
    touch(root, *reals, *fakes, *youtube)
    listed = [f"1 {name}" for name in (*reals[:108], *youtube[:70])] + [f"0 {name}" for name in fakes[:340]]
    (root / celeb_df.TEST_LIST).write_text("\n".join(listed) + "\n")
    return root


def make_dfdc(root: Path) -> Path:
    entries = {
        "aa.mp4": {"label": "REAL", "split": "train", "original": None},
        "bb.mp4": {"label": "FAKE", "split": "train", "original": "aa.mp4"},
        "cc.mp4": {"label": "FAKE", "split": "train", "original": "elsewhere.mp4"},
    }
    touch(root, *(f"dfdc_train_part_0/{name}" for name in entries))
    (root / "dfdc_train_part_0/metadata.json").write_text(json.dumps(entries))
    return root


class TestFaceForensics:
    """FaceForensics++ and DeepFakeDetection."""

    def test_reads_the_official_layout(self, tmp_path: Path) -> None:
        rows = to_manifest(faceforensics.records(make_faceforensics(tmp_path)))
        pairs = rows[rows["data_set"] == "faceforensics"]
        assert len(pairs) == 8 + 8 * len(faceforensics.METHODS)
        assert pairs[pairs["label"] == 0]["method"].unique().tolist() == ["youtube"]
        assert set(pairs[pairs["label"] == 1]["method"]) == set(faceforensics.METHODS)
        assert set(rows["compression"]) == {"c23"}

    def test_official_split_and_pair_groups(self, tmp_path: Path) -> None:
        rows = to_manifest(faceforensics.records(make_faceforensics(tmp_path))).set_index("path")
        original = rows.loc["original_sequences/youtube/c23/videos/974.mp4"]
        fake = rows.loc["manipulated_sequences/Face2Face/c23/videos/953_974.mp4"]
        assert (original["split"], original["group"]) == (fake["split"], fake["group"]) == ("test", "ff:953")
        assert rows.loc["original_sequences/youtube/c23/videos/720.mp4", "split"] == "calibration"
        require_disjoint_groups(rows.reset_index())

    def test_deep_fake_detection_is_a_test_set_grouped_by_actor(self, tmp_path: Path) -> None:
        rows = to_manifest(faceforensics.records(make_faceforensics(tmp_path)))
        actors = rows[rows["data_set"] == "deepfakedetection"]
        assert actors["label"].tolist().count(1) == 1 and len(actors) == 3
        assert actors["group"].nunique() == 1 and set(actors["split"]) == {"test"}

    def test_every_compression_or_the_one_asked_for(self, tmp_path: Path) -> None:
        root = make_faceforensics(tmp_path, ("c23", "c40"))
        assert set(to_manifest(faceforensics.records(root))["compression"]) == {"c23", "c40"}
        only = to_manifest(faceforensics.records(root, compressions=["c40"], methods=["FaceSwap"]))
        assert set(only["subset"]) == {"faceforensics_c40", "deepfakedetection_c40"}
        assert set(only["method"]) == {"youtube", "FaceSwap", "actors", "DeepFakeDetection"}

    def test_missing_clips_are_named_and_counted(self, tmp_path: Path) -> None:
        root = make_faceforensics(tmp_path)
        for path in (root / "manipulated_sequences/Deepfakes/c23/videos").glob("*.mp4"):
            path.unlink()
        with pytest.raises(DataError, match=r"8 files are missing: .*071_054\.mp4.*8 in all.*download Deepfakes"):
            list(faceforensics.records(root))

    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda root: (root / "val.json").unlink(), r"no val\.json; take it from"),
            (lambda root: (root / "val.json").write_text("[[1, 2]]"), "three-digit"),
            (lambda root: (root / "val.json").write_text("{"), "cannot be read"),
            (lambda root: (root / "val.json").write_text('[["071", "672"]]'), "071 is in two split files"),
        ],
    )
    def test_bad_split_files(self, tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
        root = make_faceforensics(tmp_path)
        spoil(root)
        with pytest.raises(DataError, match=message):
            list(faceforensics.records(root))

    def test_wrong_folder(self, tmp_path: Path) -> None:
        root = make_faceforensics(tmp_path, ())
        with pytest.raises(DataError, match="name the folder with original_sequences"):
            list(faceforensics.records(root))


class TestCelebDF:
    """Celeb-DF-v2 and its test list of the opposite polarity."""

    def test_polarity_of_the_official_list_is_turned(self, tmp_path: Path) -> None:
        rows = to_manifest(celeb_df.records(make_celeb_df(tmp_path)))
        test = rows[rows["split"] == "test"]
        assert len(test) == 518
        # The list says 1 for 178 reals; here these carry 0.
        assert (test["label"] == 0).sum() == 178 and (test["label"] == 1).sum() == 340
        assert set(rows[rows["label"] == 1]["method"]) == {"Celeb-synthesis"}

    def test_a_list_of_the_other_polarity_is_refused(self, tmp_path: Path) -> None:
        root = make_celeb_df(tmp_path)
        lines = (root / celeb_df.TEST_LIST).read_text().splitlines()
        swapped = [("0" if line[0] == "1" else "1") + line[1:] for line in lines]
        (root / celeb_df.TEST_LIST).write_text("\n".join(swapped))
        with pytest.raises(DataError, match="1 for real"):
            list(celeb_df.records(root))

    def test_groups_join_swapped_celebrities_and_none_leaks_from_the_test(self, tmp_path: Path) -> None:
        rows = to_manifest(celeb_df.records(make_celeb_df(tmp_path))).set_index("path")
        assert rows.loc["Celeb-real/id2_0000.mp4", "group"] == rows.loc["Celeb-real/id3_0001.mp4", "group"]
        assert rows.loc["Celeb-real/id2_0000.mp4", "group"] != rows.loc["Celeb-real/id4_0000.mp4", "group"]
        tested = set(rows[rows["split"] == "test"]["group"])
        rest = rows[(rows["split"] != "test") & rows["group"].isin(tested)]
        assert len(rest) and set(rest["split"]) == {EXCLUDED}
        split = assign_splits(rows.reset_index(), seed=0)
        assert not tested & set(split[split["split"] == "train"]["group"])
        assert "train" in set(split["split"])

    def test_a_short_list_and_missing_clips(self, tmp_path: Path) -> None:
        root = make_celeb_df(tmp_path)
        (root / "YouTube-real/00007.mp4").unlink()
        with pytest.raises(DataError, match=r"1 files are missing: YouTube-real/00007\.mp4"):
            list(celeb_df.records(root))
        lines = (root / celeb_df.TEST_LIST).read_text().splitlines()
        (root / celeb_df.TEST_LIST).write_text("\n".join(lines[:100]))
        with pytest.raises(DataError, match="100 different clips, 518 expected"):
            list(celeb_df.records(root))
        (root / celeb_df.TEST_LIST).write_text("2 Celeb-real/id0_0000.mp4\n")
        with pytest.raises(DataError, match=r"not `0\|1"):
            list(celeb_df.records(root))
        (root / celeb_df.TEST_LIST).unlink()
        with pytest.raises(DataError, match="part of Celeb-DF-v2"):
            list(celeb_df.records(root))


class TestDFDC:
    """DFDC and its metadata.json."""

    def test_labels_and_groups_by_original(self, tmp_path: Path) -> None:
        rows = to_manifest(dfdc.records(make_dfdc(tmp_path)))
        assert rows["label"].tolist() == [0, 1, 1]
        assert rows["group"].tolist() == ["dfdc:aa.mp4", "dfdc:aa.mp4", "dfdc:elsewhere.mp4"]

    @pytest.mark.parametrize(
        ("entry", "message"),
        [
            ({"label": "MAYBE", "split": "train"}, r"aa\.mp4 with a label"),
            ({"label": "FAKE", "split": "train"}, "no original"),
            ({"label": "REAL"}, "no split"),
        ],
    )
    def test_bad_entries(self, tmp_path: Path, entry: dict[str, str], message: str) -> None:
        touch(tmp_path, "aa.mp4")
        (tmp_path / "metadata.json").write_text(json.dumps({"aa.mp4": entry}))
        with pytest.raises(DataError, match=message):
            list(dfdc.records(tmp_path))

    def test_missing_clip_and_missing_metadata(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"no metadata\.json"):
            list(dfdc.records(tmp_path))
        (make_dfdc(tmp_path) / "dfdc_train_part_0/cc.mp4").unlink()
        with pytest.raises(DataError, match=r"1 files are missing: cc\.mp4"):
            list(dfdc.records(tmp_path))


class TestDF40:
    """DF40: fakes that need the reals of other sets."""

    def reals(self, tmp_path: Path) -> pd.DataFrame:
        ff = faceforensics.records(make_faceforensics(tmp_path / "ff"))
        cdf = celeb_df.records(make_celeb_df(tmp_path / "cdf"))
        return to_manifest([*ff, *cdf])

    def make(self, root: Path) -> Path:
        touch(root, "fsgan/ff/frames/071_054/000.png", "fsgan/cdf/frames/id0_id1_0000/014.png")
        touch(root, "simswap/frames/953_974/000.png", "ddim/ff/720/3.png", "ddim/cdf/00003/7.png")
        touch(root, "MidJourney/fake/a.png", "MidJourney/real/b.png")
        return root

    def test_joins_reals_with_groups_and_splits(self, tmp_path: Path) -> None:
        reals = self.reals(tmp_path)
        rows = to_manifest(df40.records(self.make(tmp_path / "df40"), reals)).set_index("path")
        require_both_classes(rows)
        require_disjoint_groups(rows)
        train = rows.loc["fsgan/ff/frames/071_054/000.png"]
        assert (train["label"], train["group"], train["split"]) == (1, "ff:054", "train")
        assert rows.loc["simswap/frames/953_974/000.png", "split"] == "test"
        assert rows.loc["fsgan/cdf/frames/id0_id1_0000/014.png", "group"] == "celebdf:id0"
        assert rows.loc["MidJourney/real/b.png", "label"] == 0
        assert set(rows["subset"]) == {"df40_ff", "df40_cdf", "df40_MidJourney"}
        assert len(rows[(rows["subset"] == "df40_ff") & (rows["label"] == 0)]) == 8

    def test_fakes_alone_are_refused(self, tmp_path: Path) -> None:
        reals = self.reals(tmp_path)
        only_ff = reals[reals["data_set"] == "faceforensics"]
        with pytest.raises(DataError, match=r"fakes alone .* manifest of celeb_df_v2"):
            list(df40.records(self.make(tmp_path / "df40"), only_ff))

    def test_a_fake_of_unknown_people_is_refused(self, tmp_path: Path) -> None:
        touch(tmp_path / "df40", "fsgan/ff/frames/001_002/000.png")
        with pytest.raises(DataError, match=r"fsgan/ff/frames/001_002/000\.png"):
            list(df40.records(tmp_path / "df40", self.reals(tmp_path)))

    def test_pairs_across_groups_join_them(self, tmp_path: Path) -> None:
        touch(tmp_path / "df40", "fsgan/ff/frames/071_087/000.png")
        rows = to_manifest(df40.records(tmp_path / "df40", self.reals(tmp_path)))
        train = rows[rows["split"] == "train"]
        assert train["group"].nunique() == 1 and len(train) == 5

    def test_a_pair_across_splits_is_refused(self, tmp_path: Path) -> None:
        touch(tmp_path / "df40", "fsgan/ff/frames/071_953/000.png")
        rows = to_manifest(df40.records(tmp_path / "df40", self.reals(tmp_path)))
        with pytest.raises(DataError, match="lie on two sides"):
            require_disjoint_groups(rows)


class TestFolderAndTable:
    """The generic inputs."""

    def test_folder_labels_methods_and_groups(self, tmp_path: Path) -> None:
        touch(tmp_path, "real/anna/1.jpg", "real/bob.png", "fake/swap/anna/1.mp4", "fake/swap/readme.txt")
        rows = to_manifest(folder.records(tmp_path, name="mine"))
        assert rows["label"].tolist() == [1, 0, 0]
        assert rows["method"].tolist() == ["swap", "real", "real"]
        assert rows["group"].tolist() == ["mine:anna", "mine:anna", "mine:bob"]
        by_person = to_manifest(folder.records(tmp_path, name="mine", group_pattern="(ann|bob)"))
        assert by_person["group"].tolist() == ["mine:ann", "mine:ann", "mine:bob"]

    def test_folder_errors(self, tmp_path: Path) -> None:
        touch(tmp_path, "real/a.jpg")
        with pytest.raises(DataError, match="fake: no pictures"):
            list(folder.records(tmp_path))
        touch(tmp_path, "fake/b.jpg")
        with pytest.raises(DataError, match="misses a"):
            list(folder.records(tmp_path, group_pattern=r"\d+"))
        with pytest.raises(DataError, match="no regular expression"):
            list(folder.records(tmp_path, group_pattern="("))

    def test_table_takes_words_and_digits(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg", "b.jpg", "c.jpg")
        csv = tmp_path / "list.csv"
        csv.write_text("path,label,subset,method,group\na.jpg,real,x,photo,g1\nb.jpg,1,x,swap,g1\nc.jpg,0,y,photo,g2\n")
        rows = to_manifest(table.records(csv, tmp_path))
        assert rows["label"].tolist() == [0, 1, 0] and set(rows["data_set"]) == {"list"}
        assert len(to_manifest(table.records(csv, tmp_path, subset="x"))) == 2

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ("a.jpg,maybe,x,photo,g", "unknown label"),
            ("a.jpg,real,x,photo,g\na.jpg,fake,x,photo,g", "repeats a path"),
            ("", "lists no file"),
            ("nowhere.jpg,real,x,photo,g", r"1 files are missing: nowhere\.jpg"),
        ],
    )
    def test_table_errors(self, tmp_path: Path, lines: str, message: str) -> None:
        touch(tmp_path, "a.jpg")
        csv = tmp_path / "list.csv"
        csv.write_text("path,label,subset,method,group\n" + lines + "\n")
        with pytest.raises(DataError, match=message):
            list(table.records(csv, tmp_path))

    def test_the_shared_manifest_reads(self) -> None:
        default = Path(__file__).resolve().parents[2] / ".." / "shared"
        data = Path(os.environ.get("AWARENET_SHARED", default)) / "data"
        if not (data / "manifest_images.csv").is_file():
            pytest.skip("AWARENET_SHARED names no data")
        rows = to_manifest(table.records(data / "manifest_images.csv", data, subset="open/"))
        assert set(rows["label"]) == {0} and set(rows["subset"]) == {"open/london_faces", "open/us_officials"}
        with pytest.raises(DataError, match="only one class"):
            require_both_classes(rows)


class TestManifest:
    """The contract of the manifest."""

    def record(self, path: str = "a.jpg", **changes: object) -> Record:
        values = {"label": 0, "data_set": "d", "subset": "s", "method": "m", "compression": "", "group": "g"}
        return Record(path=path, **{**values, **changes})  # type: ignore[arg-type]

    def test_round_trip(self, tmp_path: Path) -> None:
        rows = to_manifest([self.record("b.jpg", label=1, split="test"), self.record("a.jpg", split="test")])
        write_manifest(rows, tmp_path / "deep" / "m.parquet")
        again = read_manifest(tmp_path / "deep" / "m.parquet")
        pd.testing.assert_frame_equal(rows, again)
        assert again["label"].dtype == "int8" and again["path"].tolist() == ["a.jpg", "b.jpg"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [({"label": 2}, "neither 0"), ({"group": ""}, "no group"), ({"split": "tset"}, "a split other than")],
    )
    def test_contract(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(DataError, match=message):
            to_manifest([self.record(**changes)])

    def test_empty_and_repeated(self) -> None:
        with pytest.raises(DataError, match="no file"):
            to_manifest([])
        with pytest.raises(DataError, match=r"2 rows are listed more than once.*a\.jpg"):
            to_manifest([self.record(), self.record()])

    def test_unreadable_file(self, tmp_path: Path) -> None:
        (tmp_path / "m.parquet").write_text("no parquet")
        for name in ("m.parquet", "absent.parquet"):
            with pytest.raises(DataError, match="training manifest"):
                read_manifest(tmp_path / name)


groups = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0, 1]), st.sampled_from("ab")), min_size=1, max_size=80
)


class TestSplits:
    """Splits by group."""

    @settings(max_examples=30, deadline=None)
    @given(rows=groups, seed=st.integers(0, 9))
    def test_no_group_is_ever_on_two_sides_and_order_does_not_matter(
        self, rows: list[tuple[int, int, str]], seed: int
    ) -> None:
        manifest = to_manifest(
            Record(f"{i}.jpg", label, name, name, "m", "", f"g{group}") for i, (group, label, name) in enumerate(rows)
        )
        split = assign_splits(manifest, seed=seed)
        require_disjoint_groups(split)
        assert not (split["split"] == "").any()
        shuffled = assign_splits(manifest.sample(frac=1, random_state=seed), seed=seed).sort_index()
        assert shuffled["split"].tolist() == split["split"].tolist()

    def test_shares_hold_in_every_stratum(self) -> None:
        manifest = to_manifest(
            Record(f"{name}{i}.jpg", label, name, name, "m", "", f"{name}{i}")
            for name, label, count in (("a", 0, 200), ("b", 1, 40))
            for i in range(count)
        )
        split = assign_splits(manifest, seed=1, shares={"train": 0.5, "test": 0.5})
        assert split.groupby("data_set")["split"].value_counts().to_dict() == {
            ("a", "train"): 100, ("a", "test"): 100, ("b", "train"): 20, ("b", "test"): 20,
        }  # fmt: skip
        other = assign_splits(manifest, seed=2, shares={"train": 0.5, "test": 0.5})
        assert other["split"].tolist() != split["split"].tolist()
        with pytest.raises(DataError, match="sum to 1"):
            assign_splits(manifest, seed=1, shares={"train": 0.5})

    def test_a_leaking_group_is_refused_by_name(self) -> None:
        manifest = to_manifest(
            [Record("a", 0, "d", "s", "m", "", "anna", "train"), Record("b", 1, "d", "s", "m", "", "anna", "test")]
        )
        with pytest.raises(DataError, match="1 groups lie on two sides: anna"):
            require_disjoint_groups(manifest)
        with pytest.raises(DataError, match=r"calibrate: 1 groups are on both sides: anna"):
            require_apart(["anna", "bob"], ["anna"], "calibrate")

    def test_an_official_split_holds_for_the_whole_group(self) -> None:
        manifest = to_manifest(
            [Record("a", 0, "d", "s", "m", "", "anna", "test"), Record("b", 1, "d", "s", "m", "", "anna")]
        )
        assert assign_splits(manifest, seed=0)["split"].tolist() == ["test", "test"]
