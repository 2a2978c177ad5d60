"""Looking at whole clips: budget, scenes, people, damage, and threads that end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.errors import DamagedMedia, MediaError, Unavailable
from awarenet.faces import FaceBox, FaceCrop
from awarenet.media import MediaLimits
from awarenet.stages import FEATURES
from awarenet.video import Clip, Frame
from awarenet.video.analysis import BATCH, ClipAnalysis, analyse
from tests.samples import Pixels, astronaut, save_clip
from tests.unit.test_video_clips import changing_size

FACE = FaceBox(75, 60, 97, 125, 1.0)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """No thread outlives an analysis."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def view(shift: int = 0, *, tint: int = 0) -> Pixels:
    """A part of the portrait with its face at `FACE`, moved to the left by `shift`."""
    cut = astronaut()[10:330, 100 + shift : 420 + shift].astype(int)
    cut[..., 2] += tint
    cut[..., 0] -= tint
    return np.ascontiguousarray(cut.clip(0, 255), np.uint8)


BLANK = np.full((320, 320, 3), 90, np.uint8)


class Finder:
    """Finds `FACE` wherever a frame is no plain grey; counts the frames it was shown."""

    name = "finder"

    def __init__(self, boxes: Sequence[FaceBox] = (FACE,)) -> None:
        self.boxes = list(boxes)
        self.shown: list[tuple[int, ...]] = []

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """The boxes, where there is anything to see."""
        assert not thorough
        self.shown.append(image.shape)
        return self.boxes if image.std() > 25 else []


class Scorer:
    """Scores by the blueness of a crop, and keeps the sizes of the batches."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.batches: list[int] = []
        self._fails_at = fails_at

    def __call__(self, crops: list[FaceCrop]) -> Decisions:
        if len(self.batches) == self._fails_at:
            raise Unavailable("the server is gone; start it again")
        self.batches.append(len(crops))
        blue = np.array([float(crop.face[..., 2].mean() - crop.face[..., 0].mean()) for crop in crops])
        probability = np.where(blue > 0, 0.95, 0.05).astype(np.float32)
        evidence = np.full((len(crops), len(FEATURES)), np.nan, np.float32)
        return Decisions(probability, np.ones(len(crops), np.int32), evidence)


def look(path: Path, *, budget: int = 12, finder: Finder | None = None, scorer: Scorer | None = None) -> ClipAnalysis:
    with Clip(path, MediaLimits()) as clip:
        return analyse(clip, finder or Finder(), scorer or Scorer(), budget)


def moving(frames: int, start: int = 0, tint: int = 0) -> list[Pixels]:
    """A camera that goes to and fro."""
    return [view(30 - abs((start + number) % 60 - 30), tint=tint) for number in range(frames)]


def test_the_budget_is_kept_and_everything_is_in_time_order(tmp_path: Path) -> None:
    scorer = Scorer()
    seen = look(save_clip(tmp_path / "a.mp4", moving(150)), scorer=scorer)
    assert 6 <= len(seen.faces) <= 12 and sum(scorer.batches) == len(seen.faces) == len(seen.decisions.probability)
    times = [face.time_s for face in seen.faces]
    assert times == sorted(set(times))
    assert max(scorer.batches) <= BATCH
    (track,) = seen.tracks
    assert (track.faces, track.start_s) == (len(times), times[0])
    assert seen.notes == [] and seen.skipped == {} and not seen.poor
    assert set(seen.timings_ms) == {"decode", "detect", "score"}


def test_the_same_clip_gives_the_same_answer(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", [*moving(60), *moving(60, tint=90)])
    first, second = look(path), look(path)
    assert [face.time_s for face in first.faces] == [face.time_s for face in second.faces]
    assert first.tracks == second.tracks and first.scene_cuts_s == second.scene_cuts_s


def test_a_scene_cut_ends_a_track_though_the_face_stays_in_place(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", [*moving(60), *moving(60, tint=-120)])
    seen = look(path, budget=16)
    assert seen.scene_cuts_s == [2.4]
    before, after = seen.tracks
    assert (before.end_s or 0) < 2.4 <= (after.start_s or 0)
    assert all(face.time_s < 2.4 for face, track in zip(seen.faces, seen.track, strict=True) if track == 0)


def test_a_forged_stretch_is_found_and_looked_at_more_closely(tmp_path: Path) -> None:
    frames = [*moving(100), *moving(25, 100, tint=40), *moving(75, 125)]
    seen = look(save_clip(tmp_path / "a.mp4", frames), budget=20)
    fake = [face.time_s for face, score in zip(seen.faces, seen.decisions.probability, strict=True) if score > 0.5]
    assert all(4.0 <= time_s < 5.0 for time_s in fake) and len(fake) >= 2


def test_faces_at_the_end_alone_are_found(tmp_path: Path) -> None:
    seen = look(save_clip(tmp_path / "a.mp4", [BLANK] * 180 + moving(20)), budget=12)
    assert len(seen.tracks) == 1 and seen.tracks[0].faces >= 3
    assert (seen.tracks[0].start_s or 0) >= 7.2


def test_two_people_side_by_side_are_two_tracks(tmp_path: Path) -> None:
    frames = [np.concatenate([view(number), view(number, tint=60)], axis=1) for number in range(60)]
    boxes = [FACE, FaceBox(FACE.x + 320, FACE.y, FACE.width, FACE.height, 1.0)]
    seen = look(save_clip(tmp_path / "a.mp4", frames), finder=Finder(boxes))
    assert [track.faces for track in seen.tracks] == [len(seen.faces) // 2] * 2
    assert all((face.box.x > 320) == (track == 1) for face, track in zip(seen.faces, seen.track, strict=True))


def test_no_faces_are_no_tracks(tmp_path: Path) -> None:
    seen = look(save_clip(tmp_path / "a.mp4", [BLANK] * 30))
    assert (seen.faces, seen.tracks, len(seen.decisions.probability)) == ([], [], 0)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_a_clip_of_few_frames_is_looked_at_whole(tmp_path: Path, frames: int) -> None:
    seen = look(save_clip(tmp_path / "a.mp4", moving(frames)))
    assert len(seen.faces) == frames
    assert (seen.tracks[0].low is None) == (frames < 3)


def test_a_cut_at_every_frame_mixes_nobody(tmp_path: Path) -> None:
    frames = [view(number) if number % 2 else np.asarray(255 - view(number), np.uint8) for number in range(60)]
    seen = look(save_clip(tmp_path / "a.mp4", frames, key_every=1))
    assert all(track.faces == 1 for track in seen.tracks)


def test_poor_faces_are_skipped_and_counted(tmp_path: Path) -> None:
    boxes = [FACE, FaceBox(200, 200, 30, 30, 1.0)]
    seen = look(save_clip(tmp_path / "a.mp4", moving(60)), finder=Finder(boxes))
    assert seen.skipped == {"small": len(seen.faces)}
    assert f"{len(seen.faces)} faces were not scored: {len(seen.faces)} too small" in seen.notes
    assert len(seen.tracks) == 1 and not seen.poor


def test_where_all_faces_are_poor_some_are_scored_all_the_same(tmp_path: Path) -> None:
    seen = look(save_clip(tmp_path / "a.mp4", moving(100)), budget=30, finder=Finder([FaceBox(200, 200, 30, 30, 1.0)]))
    assert seen.poor and 0 < len(seen.faces) <= 8 and seen.tracks


def test_a_flickering_face_shows_in_the_temporal_evidence(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    steady = moving(100)
    flickering = [frame.copy() for frame in steady]
    for frame in flickering:
        noise = cv2.GaussianBlur(random.normal(0, 60, (90, 70)), (0, 0), 3) * 5
        frame[75:165, 88:158] = (frame[75:165, 88:158] + noise[..., None]).clip(0, 255)
    clips = (save_clip(tmp_path / "a.mp4", steady), save_clip(tmp_path / "b.mp4", flickering))
    values = [look(path).tracks[0].temporal["flicker"] for path in clips]
    assert values[0] is not None and values[1] is not None
    assert values[1] > 2 * values[0] + 1


def test_a_change_of_size_ends_tracks_and_nothing_else(tmp_path: Path) -> None:
    finder = Finder([FaceBox(8, 8, 48, 48, 1.0)])
    seen = look(changing_size(tmp_path / "a.ts"), finder=finder, budget=60)
    assert {shape[0] for shape in finder.shown} == {64, 128}
    assert isinstance(seen, ClipAnalysis)


def test_four_thousand_pixels_are_no_problem(tmp_path: Path) -> None:
    large = np.ascontiguousarray(np.tile(view(), (7, 12, 1))[:2160, :3840])
    seen = look(save_clip(tmp_path / "a.mp4", [large] * 3))
    assert len(seen.faces) == 3


def test_garbage_in_the_middle_is_told(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mkv", moving(100), key_every=5)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = np.random.default_rng(1).bytes(5000)
    path.write_bytes(content)
    seen = look(path)
    assert seen.faces and any("damaged" in note for note in seen.notes)


def test_an_error_of_the_scorer_comes_out_and_ends_the_reading(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="server is gone"):
        look(save_clip(tmp_path / "a.mp4", moving(200)), budget=60, scorer=Scorer(fails_at=1))


def test_an_error_of_the_face_detector_comes_out(tmp_path: Path) -> None:
    class Broken(Finder):
        def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
            raise MediaError("no faces today")

    with pytest.raises(MediaError, match="no faces today"):
        look(save_clip(tmp_path / "a.mp4", moving(50)), finder=Broken())


def test_an_error_of_the_decoder_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_clip(tmp_path / "a.mp4", moving(50))
    with Clip(path) as clip:
        path.write_bytes(b"\0" * 100)
        with pytest.raises(MediaError, match=r"a\.mp4"):
            analyse(clip, Finder(), Scorer(), 12)


def test_progress_rises_to_one(tmp_path: Path) -> None:
    told: list[float] = []
    with Clip(save_clip(tmp_path / "a.mp4", moving(50))) as clip:
        analyse(clip, Finder(), Scorer(), 12, told.append)
    assert told == sorted(told) and told[-1] == 1.0 and len(told) == 50


def test_a_clip_without_a_frame_that_can_be_decoded_is_damaged(tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", moving(10), container={"movflags": "faststart"})
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start:] = bytes(len(content) - start)
    path.write_bytes(content)
    with pytest.raises(DamagedMedia, match=r"a\.mp4: no frame could be decoded"):
        look(path)


def test_a_second_look_that_finds_damage_alone_leaves_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(clip: Clip, times_s: Sequence[float]) -> Iterator[Frame]:
        asked.extend(times_s)
        raise DamagedMedia("nothing here; get a whole copy")
        yield

    asked: list[float] = []
    monkeypatch.setattr(Clip, "frames_at", damaged)
    seen = look(save_clip(tmp_path / "a.mp4", moving(100)), budget=12)
    assert asked and len(seen.faces) == 6


def test_frames_that_were_looked_at_are_not_kept(tmp_path: Path) -> None:
    """Not more than the queues hold and the two that are compared are alive at once."""
    alive: list[int] = []
    living: set[int] = set()
    numbers = count()

    class Held(np.ndarray):  # type: ignore[type-arg]
        """An array that says when it goes."""

        def __del__(self) -> None:
            living.discard(getattr(self, "number", -1))

    class Watching(Finder):
        def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
            held = image.view(Held)
            held.number = next(numbers)  # type: ignore[attr-defined]
            living.add(held.number)  # type: ignore[attr-defined]
            alive.append(len(living))
            return super().detect(held, thorough=thorough)

    look(save_clip(tmp_path / "a.mp4", moving(150)), budget=60, finder=Watching())
    assert max(alive) <= 3
