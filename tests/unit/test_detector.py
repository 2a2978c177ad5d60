"""From file to verdict over the real in-process runtime, with models whose scores follow the face's colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray

from awarenet.cascade import Decisions
from awarenet.detector import MAX_FACES, Detector
from awarenet.errors import Unavailable
from awarenet.faces import POOR_PX, FaceBox
from awarenet.media import MediaLimits
from awarenet.policy import Leakage, Policy
from awarenet.runtime.inprocess import InProcessRuntime
from awarenet.stages import FEATURES, Route
from awarenet.verdict import Verdict, schema
from tests import tiny_repository as tiny
from tests.samples import save, save_clip

SIDE = 200
"""Side of the painted "faces": their crops of 1.3 times this are 260 pixels, so nothing is upscaled."""


class Painted:
    """Finds the blocks of colour on a black picture: stands in for an engine, so that tests choose the faces."""

    name = "painted"

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """The blocks that lie in a grid of 400 pixels."""
        boxes = []
        for top in range(0, image.shape[0], 400):
            for left in range(0, image.shape[1], 400):
                lit = image[top : top + 400, left : left + 400].max(axis=2) > 40
                if lit.any():
                    rows, columns = np.nonzero(lit)
                    side = float(min(np.ptp(rows), np.ptp(columns)) + 1)
                    boxes.append(FaceBox(float(left + columns.min()), float(top + rows.min()), side, side, 1.0))
        return sorted(boxes, key=lambda box: -box.side)


def scene(*colours: tuple[int, int, int] | None, side: int = SIDE) -> NDArray[np.uint8]:
    """A row of painted faces; the crop's margin takes the colour too, so that the mean is the colour's.

    Squares of 8 pixels are a little lighter or darker, in green and blue, which no model of the tests is sure by: a
    face without any texture is a smear.
    """
    image = np.zeros((400, 400 * len(colours), 3), np.uint8)
    texture = ((np.indices((side, side)) // 8).sum(axis=0) % 2 * 40 - 20)[..., None] * np.array([0, 1, 1])
    for column, colour in enumerate(colours):
        if colour is not None:
            face = (np.array(colour) + texture).clip(0, 255)
            image[100 : 100 + side, 400 * column + 100 : 400 * column + 100 + side] = face
    return image


class Tight(Painted):
    """As `Painted`, with boxes that the crop fills to its border."""

    def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
        """The inner part of each block."""
        return [
            FaceBox(
                box.x + box.width * 0.15 / 1.3, box.y + box.height * 0.15 / 1.3, box.width / 1.3, box.height / 1.3, 1.0
            )
            for box in super().detect(image, thorough=thorough)
        ]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> InProcessRuntime:
    return InProcessRuntime(tiny.build(tmp_path_factory.mktemp("detector") / "repository"))


@pytest.fixture(scope="module")
def detector(runtime: InProcessRuntime) -> Detector:
    return Detector(runtime, Tight())


def checked(verdict: Verdict) -> Verdict:
    jsonschema.validate(verdict.to_dict(), schema())
    return verdict


@pytest.mark.parametrize(
    ("colour", "word", "stage"),
    [
        (tiny.SURELY_REAL, "real", 1),
        (tiny.SURELY_FAKE, "fake", 1),
        (tiny.DOUBTFUL_REAL, "real", 3),
        (tiny.DOUBTFUL_FAKE, "fake", 3),
    ],
)
def test_a_picture_gets_the_verdict_of_its_face(
    detector: Detector, tmp_path: Path, colour: tuple[int, int, int], word: str, stage: int
) -> None:
    verdict = checked(detector.detect(save(tmp_path / "a.png", scene(colour, side=300))))
    (face,) = verdict.faces
    assert (verdict.verdict, face.exit_stage, face.track, face.time_s) == (word, stage, 0, None)
    assert verdict.probability == pytest.approx(face.probability)
    assert verdict.error is None and verdict.face_engine == "painted"
    heavy = {name for name in FEATURES if name != "fast_filter_logit"}
    assert all((face.evidence[name] is None) == (stage == 1) for name in heavy)
    assert set(verdict.timings_ms) == {"decode", "detect", "score"}


def test_the_worst_face_decides_a_picture(detector: Detector, tmp_path: Path) -> None:
    picture = scene(tiny.SURELY_REAL, tiny.DOUBTFUL_FAKE, tiny.DOUBTFUL_REAL, side=300)
    verdict = checked(detector.detect(save(tmp_path / "a.png", picture)))
    assert verdict.verdict == "fake"
    assert verdict.probability == pytest.approx(max(face.probability for face in verdict.faces), rel=1e-4)
    assert [face.track for face in verdict.faces] == [0, 1, 2]


def test_the_full_route_runs_every_stage(detector: Detector, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(tiny.SURELY_FAKE, side=300))
    (face,) = detector.detect(path, route="full").faces
    assert face.exit_stage == 3 and None not in face.evidence.values()


def test_a_picture_without_a_face_is_no_face(detector: Detector, tmp_path: Path) -> None:
    verdict = checked(detector.detect(save(tmp_path / "a.png", scene(None))))
    assert (verdict.verdict, verdict.probability, verdict.faces, verdict.error) == ("no_face", None, [], None)
    assert checked(detector.detect(save(tmp_path / "b.png", scene(None)[:1, :1]))).verdict == "no_face"


def test_near_the_threshold_the_verdict_is_uncertain(runtime: InProcessRuntime, tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", scene(tiny.DOUBTFUL_FAKE, side=300))
    probability = Detector(runtime, Tight()).detect(path).probability
    assert probability is not None
    for margin, word in ((probability - 0.5 + 0.01, "uncertain"), (probability - 0.5 - 0.01, "fake")):
        assert Detector(Fixed(runtime, uncertain_margin=margin), Tight()).detect(path).verdict == word
    decided = Fixed(runtime, decide_at=0.94, fake_above=0.95, uncertain_margin=0.0)
    assert Detector(decided, Tight()).detect(path).verdict == ("fake" if probability >= 0.94 else "real")


class Fixed:
    """A runtime with another policy."""

    def __init__(self, runtime: InProcessRuntime, **changes: float) -> None:
        self._runtime = runtime
        self.policy: Policy = replace(runtime.policy, **changes)

    def score(
        self,
        faces: NDArray[np.uint8],
        face_px: NDArray[np.float32] | None = None,
        *,
        route: Route = "cascade",
        timeout_s: float | None = None,
    ) -> Decisions:
        """As the runtime."""
        return self._runtime.score(faces, face_px, route=route, timeout_s=timeout_s)

    def close(self) -> None:
        """As the runtime."""


def test_faces_too_small_to_judge_leave_the_verdict_uncertain(runtime: InProcessRuntime, tmp_path: Path) -> None:
    detector = Detector(runtime, Painted())
    side = int(POOR_PX / 1.3) - 2
    verdict = checked(detector.detect(save(tmp_path / "a.png", scene(tiny.SURELY_FAKE, side=side))))
    assert verdict.verdict == "uncertain" and verdict.probability is not None
    assert verdict.faces[0].upscaled
    assert any("too small to judge" in note for note in verdict.notes)


def test_a_poor_face_does_not_outvote_a_good_one(runtime: InProcessRuntime, tmp_path: Path) -> None:
    picture = scene(tiny.SURELY_REAL, None, side=300)
    picture[100:130, 500:530] = tiny.SURELY_FAKE
    verdict = checked(Detector(runtime, Tight()).detect(save(tmp_path / "a.png", picture)))
    assert verdict.verdict == "real" and len(verdict.faces) == 2
    assert any("too small to count" in note for note in verdict.notes)


def test_a_clip_averages_logits_over_each_track_and_takes_the_worst(runtime: InProcessRuntime, tmp_path: Path) -> None:
    class ByMouth(Fixed):
        """Scores by the redness of the lowest part of a crop, so that a face can change its score and stay itself."""

        def score(
            self,
            faces: NDArray[np.uint8],
            face_px: NDArray[np.float32] | None = None,
            *,
            route: Route = "cascade",
            timeout_s: float | None = None,
        ) -> Decisions:
            probability = np.where(faces[:, -12:, :, 0].mean(axis=(1, 2)) > 100, 0.98, 0.02).astype(np.float32)
            evidence = np.full((len(faces), len(FEATURES)), np.nan, np.float32)
            evidence[:, FEATURES.index("fast_filter_logit")] = np.log(probability / (1 - probability))
            return Decisions(probability, np.ones(len(faces), np.int32), evidence)

    # Left: real all the time. Right: half of the time fake, half of the time real.
    both_real = scene((30, 120, 120), (30, 120, 120), side=300)
    real_and_fake = both_real.copy()
    real_and_fake[380:400, 500:] = 200, 120, 120
    path = save_clip(tmp_path / "a.mp4", [real_and_fake] * 20 + [both_real] * 20)
    verdict = checked(Detector(ByMouth(runtime), Tight(), frames=8).detect(path))
    assert {face.track for face in verdict.faces} == {0, 1}
    by_track = {
        track: [face.evidence["fast_filter_logit"] for face in verdict.faces if face.track == track] for track in (0, 1)
    }
    means = [np.clip(np.array(logits, float), -13.8, 13.8).mean() for logits in by_track.values()]
    assert verdict.probability == pytest.approx(1 / (1 + np.exp(-max(means))), abs=1e-3)
    assert verdict.probability == max(track.probability for track in verdict.tracks)
    assert [track.faces for track in verdict.tracks] == [len(logits) for logits in by_track.values()]
    changing = verdict.tracks[1]
    assert changing.low is not None and changing.high is not None
    assert changing.low < changing.probability < changing.high
    # The second look goes where the score changes: the middle of the clip.
    times = sorted({face.time_s for face in verdict.faces if face.time_s is not None})
    assert len(times) <= 8 and min(np.diff(times)) < 1.6 / 8 and abs(times[int(np.argmin(np.diff(times)))] - 0.8) < 0.4


def test_a_clip_without_faces_is_no_face(detector: Detector, tmp_path: Path) -> None:
    path = save_clip(tmp_path / "a.mp4", [scene(None)] * 5)
    assert checked(detector.detect(path)).verdict == "no_face"


def test_a_truncated_clip_is_scored_with_a_note(detector: Detector, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [scene(tiny.SURELY_FAKE, side=300) for _ in range(50)]
    for frame in frames:
        frame[:60] = random.integers(0, 16, (60, 400, 3), np.uint8)
    path = save_clip(tmp_path / "a.mp4", frames, container={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
    verdict = checked(detector.detect(path))
    assert verdict.verdict == "fake"
    assert any("cut short" in note for note in verdict.notes)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "damaged_media"),
        (b"hello " * 200, "unsupported_media"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 50, "damaged_media"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 50, "damaged_media"),
        (None, "media_error"),
    ],
)
def test_bad_media_becomes_a_verdict_with_an_error(
    detector: Detector, tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    verdict = checked(detector.detect(path))
    assert (verdict.verdict, verdict.probability, verdict.error_code) == (None, None, code)
    assert verdict.error is not None and "bad.jpg" in verdict.error


def test_limits_are_the_detectors(runtime: InProcessRuntime, tmp_path: Path) -> None:
    detector = Detector(runtime, Painted(), MediaLimits(pixels=1000))
    verdict = checked(detector.detect(save(tmp_path / "a.png", scene(None))))
    assert verdict.error_code == "media_too_large"


def test_a_runtime_that_cannot_answer_becomes_an_error_too(runtime: InProcessRuntime, tmp_path: Path) -> None:
    class Gone(Fixed):
        def score(
            self,
            faces: NDArray[np.uint8],
            face_px: NDArray[np.float32] | None = None,
            *,
            route: Route = "cascade",
            timeout_s: float | None = None,
        ) -> Decisions:
            raise Unavailable("the server is gone; start it again")

    verdict = checked(Detector(Gone(runtime), Tight()).detect(save(tmp_path / "a.png", scene(tiny.SURELY_FAKE))))
    assert (verdict.error_code, verdict.faces) == ("unavailable", [])


def test_more_faces_than_can_be_scored_are_noted(runtime: InProcessRuntime, tmp_path: Path) -> None:
    class Crowd(Painted):
        def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
            return [FaceBox(0.0, 0.0, 300.0 - index / 100, 300.0, 1.0) for index in range(MAX_FACES + 1)]

    verdict = checked(Detector(runtime, Crowd()).detect(save(tmp_path / "a.png", scene(tiny.SURELY_REAL))))
    assert len(verdict.faces) == MAX_FACES
    assert any("only the largest" in note for note in verdict.notes)


def test_versions_are_those_of_the_policy(detector: Detector, runtime: InProcessRuntime, tmp_path: Path) -> None:
    verdict = detector.detect(save(tmp_path / "a.png", scene(None)))
    assert verdict.model_version == runtime.policy.model_version
    assert verdict.policy_version == runtime.policy.version
    assert isinstance(runtime.policy.leakage, Leakage)


def test_few_crops_are_held_however_many_faces_a_clip_shows(runtime: InProcessRuntime, tmp_path: Path) -> None:
    batches = []

    class Counted(Fixed):
        def score(
            self,
            faces: NDArray[np.uint8],
            face_px: NDArray[np.float32] | None = None,
            *,
            route: Route = "cascade",
            timeout_s: float | None = None,
        ) -> Decisions:
            batches.append(len(faces))
            return super().score(faces, face_px, route=route, timeout_s=timeout_s)

    class Many(Painted):
        def detect(self, image: NDArray[np.uint8], *, thorough: bool = True) -> list[FaceBox]:
            return [FaceBox(60.0 * index, 100.0, 60.0, 60.0, 1.0) for index in range(30)]

    wide = scene(*[tiny.SURELY_FAKE] * 5)
    wide[:, :] = np.tile(wide[100:300, 100:300], (2, 10, 1))
    path = save_clip(tmp_path / "a.mp4", [wide] * 6)
    verdict = checked(Detector(Counted(runtime), Many(), frames=6).detect(path))
    assert sum(batches) == len(verdict.faces) and len(verdict.faces) % 30 == 0 and len(verdict.faces) >= 90
    assert max(batches) <= 8 and batches.count(8) >= len(batches) - 2
    assert [face.track for face in verdict.faces] == list(range(30)) * (len(verdict.faces) // 30)
    assert all(spent >= 0 for spent in verdict.timings_ms.values())
