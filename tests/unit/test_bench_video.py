"""The video benchmark: its clips and its figures. Nothing is timed here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from awarenet.errors import MediaError
from awarenet.verdict import FaceVerdict, Verdict
from awarenet.video import Clip
from benchmarks import video
from demo import FACE
from export.bundle_runner import peak_mb
from tests.samples import astronaut, save_clip


def scored(path: Path, probability: dict[float, float]) -> Verdict:
    faces = [FaceVerdict((0, 0, 9, 9), 0, value, 1, {}, False, time_s) for time_s, value in probability.items()]
    return Verdict(str(path), "real", 0.5, faces, "m", "p", "e")


def test_a_repeated_clip_is_as_often_as_long(tmp_path: Path) -> None:
    once = save_clip(tmp_path / "a.mp4", [astronaut()[:64, :64]] * 25)
    with Clip(video.repeat_clip(once, tmp_path / "b.mp4", 3)) as clip:
        assert len(list(clip.decode())) == 75
        assert np.allclose(np.diff(clip.times_s), 1 / 25, atol=1e-3)


def test_the_forged_stretch_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "FORGED_S", (0.4, 0.8))
    path = video.make_clip(tmp_path / "a.mp4", 1, astronaut(), np.zeros_like(astronaut()))
    with Clip(path) as clip:
        frames = [frame for decoded in clip.decode() if (frame := decoded.full())]
    assert frames[0].image.shape == (720, 1280, 3)
    for frame in frames:
        shift = int(100 + 100 * np.sin(frame.time_s))
        left, top = int(FACE.x) + 300 + shift, int(FACE.y) + 150
        shown = frame.image[top : top + 100, left : left + 80]
        assert (shown.mean() < 20) == (0.4 <= frame.time_s < 0.8)


def test_the_area_of_a_stretch_compares_its_faces_with_the_others(tmp_path: Path) -> None:
    told = scored(tmp_path, {1.0: 0.2, 4.5: 0.9, 6.0: 0.8, 8.0: 0.3})
    missed = scored(tmp_path, {1.0: 0.2, 4.5: 0.1, 6.0: 0.8, 8.0: 0.3})
    assert (video.segment_auc(told), video.segment_auc(missed)) == (1.0, 0.5)


def test_a_process_that_cannot_score_the_clip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="process of its own"):
        video.peak(tmp_path / "absent", tmp_path / "absent.mp4")
    assert 10 < peak_mb() < 100_000
