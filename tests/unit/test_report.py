"""The HTML report: self-contained, true to the verdicts, safe against what file names contain."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from awarenet.errors import ReportError
from awarenet.policy import Leakage, Policy
from awarenet.report import HtmlReport
from awarenet.report.page import MAX_PICTURED, percent, write_whole
from awarenet.stages import FEATURES
from awarenet.verdict import FaceVerdict, TrackVerdict, Verdict
from tests.samples import ASTRONAUT_FACE, astronaut, save, save_clip

POLICY = Policy(0.1, 0.9, 0.5, 0.05, Leakage(0.01, 300, 2, 0.021, 500, 200), "made-up faces", {"fast_filter": "a"})
BOX = (ASTRONAUT_FACE.x, ASTRONAUT_FACE.y, ASTRONAUT_FACE.width, ASTRONAUT_FACE.height)


class Page(HTMLParser):
    """Checks nesting and collects what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]


def face(probability: float, stage: int, **changes: object) -> FaceVerdict:
    logit = float(np.log(probability / (1 - probability)))
    evidence = {name: (logit if name == "fast_filter_logit" or stage == 3 else None) for name in FEATURES}
    fields: dict[str, object] = {
        "box": BOX,
        "track": 0,
        "probability": probability,
        "exit_stage": stage,
        "evidence": evidence,
        "upscaled": False,
    }
    return FaceVerdict(**(fields | changes))  # type: ignore[arg-type]


def verdict(path: Path, word: str | None, *faces: FaceVerdict, **changes: object) -> Verdict:
    probability = max((one.probability for one in faces), default=None)
    fields: dict[str, object] = {"model_version": "m", "policy_version": "p", "face_engine": "hog"}
    fields["tracks"] = [
        TrackVerdict(number, None, None, 1, max(one.probability for one in faces if one.track == number))
        for number in sorted({one.track for one in faces})
    ]
    return Verdict(str(path), word, probability, list(faces), **(fields | changes))  # type: ignore[arg-type]


def page(*verdicts: Verdict) -> Page:
    report = HtmlReport(POLICY)
    for one in verdicts:
        report.add(one)
    return Page(report.render())


def test_a_picture_shows_its_boxes_scores_and_reasons(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", astronaut())
    shown = page(verdict(path, "fake", face(0.95, 1), face(0.04, 1, track=1, upscaled=True)))
    assert shown.open == []
    assert len(shown.all("svg")) == 1 and len(shown.all("tr")) == 3
    assert "95.0 %" in shown.text and "over 90 %, sure enough for fake" in shown.text
    assert "under 10 %, sure enough for real" in shown.text
    assert "detail is missing" in shown.text
    frame = next(one for one in shown.all("rect") if one.get("class") == "frame")
    assert [float(frame[name] or 0) for name in ("x", "y", "width", "height")] == list(BOX)


def test_every_model_that_ran_is_listed(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", astronaut())
    deep = page(verdict(path, "fake", face(0.7, 3)))
    for name in ("Fast filter", "EfficientNet", "GenConViT autoencoder", "GenConViT variational", "All together"):
        assert name in deep.text
    assert "in doubt, so the heavy models looked too" in deep.text and "3 of 3 heavy scores lean to fake" in deep.text
    shallow = page(verdict(path, "fake", face(0.95, 1)))
    assert "EfficientNet" not in shallow.text


def clip(path: Path, **changes: object) -> Verdict:
    """Two people: one suspicious through five frames, one who is not and was seen twice."""
    frames = ((0, (0.92, 0.97, 0.6, 0.7, 0.8)), (1, (0.02, 0.03)))
    faces = [
        face(probability, 1, time_s=number * 0.2, track=track)
        for track, values in frames
        for number, probability in enumerate(values)
    ]
    temporal = {"score_spread": 1.25, "flicker": 3.5, "boundary_jitter": 0.012, "landmark_jitter": None}
    fields: dict[str, object] = {
        "duration_s": 1.0,
        "scene_cuts_s": [0.5],
        "tracks": [
            TrackVerdict(0, 0.0, 0.8, 5, 0.83, 0.7, 0.93, temporal),
            TrackVerdict(1, 0.0, 0.2, 2, 0.02, None, None, dict.fromkeys(temporal)),
        ],
    }
    return verdict(path, "fake", *faces, **(fields | changes))


def test_a_clip_shows_the_timeline_of_each_track(tmp_path: Path) -> None:
    shown = page(clip(save_clip(tmp_path / "a.mp4", [astronaut()] * 26)))
    assert shown.open == []
    assert "2 tracks, the most suspicious first" in shown.text
    first, second = shown.all("polyline")
    assert len((first["points"] or "").split()) == 5 and len((second["points"] or "").split()) == 2
    assert (first["points"] or "").split()[1] == "200.0,3.0"
    (band,) = [one for one in shown.all("rect") if one.get("class") == "band"]
    assert [float(band[name] or 0) for name in ("x", "width", "y", "height")] == pytest.approx([0, 800, 7, 23])
    cuts = [one for one in shown.all("line") if one.get("class") == "cut"]
    assert [one["x1"] for one in cuts] == ["500.0", "500.0"]
    assert "(70 % to 93.0 %)" in shown.text


def test_a_clip_shows_the_worst_frames_and_the_temporal_evidence(tmp_path: Path) -> None:
    shown = page(clip(save_clip(tmp_path / "a.mp4", [astronaut()] * 26)))
    assert [one["alt"] for one in shown.all("img")] == [
        *(f"face 1 at {time_s:.2f} s" for time_s in (0.2, 0.0, 0.8)),
        *(f"face 2 at {time_s:.2f} s" for time_s in (0.2, 0.0)),
    ]
    assert "0.20 s: 97.0 %" in shown.text
    assert "Scored in 5 frames; what follows is about the most suspicious one, at 0.2 s" in shown.text
    assert "The face changes beyond motion by 3.5 of 255 grey levels" in shown.text
    assert shown.text.count("Its edges shake by 1.20 % of its side") == 1
    assert "Eyes, nose and mouth" not in shown.text


def test_somebody_seen_too_seldom_is_uncertain(tmp_path: Path) -> None:
    shown = page(clip(save_clip(tmp_path / "a.mp4", [astronaut()] * 26)))
    assert "Fewer than 3 frames are too few to judge somebody by" in shown.text
    badges = [one["class"] for one in shown.all("span") if (one.get("class") or "").startswith("badge")]
    assert badges[-2:] == ["badge fake", "badge uncertain"]


def test_heatmaps_stand_beside_the_most_suspicious_faces(tmp_path: Path) -> None:
    asked = []

    def heatmap(crop: np.ndarray, face_px: float) -> np.ndarray:
        asked.append((crop.shape, face_px))
        return 255 - crop

    report = HtmlReport(POLICY, heatmap=heatmap)
    report.add(clip(save_clip(tmp_path / "a.mp4", [astronaut()] * 26)))
    report.add(verdict(save(tmp_path / "a.png", astronaut()), "real", face(0.01, 1)))
    shown = Page(report.render())
    assert [shape for shape, _ in asked] == [(256, 256, 3)] * 3 and all(px > 20 for _, px in asked)
    alts = [one["alt"] or "" for one in shown.all("img")]
    assert [alt for alt in alts if "bright where the score comes from" in alt] == [
        "face 1 at 0.20 s, bright where the score comes from",
        "face 2 at 0.20 s, bright where the score comes from",
        "face 1, bright where the score comes from",
    ]


def test_heatmaps_are_made_of_few_faces(tmp_path: Path) -> None:
    asked = []

    def heatmap(crop: np.ndarray, face_px: float) -> np.ndarray:
        asked.append(face_px)
        return crop

    report = HtmlReport(POLICY, heatmap=heatmap)
    report.add(
        verdict(save(tmp_path / "a.png", astronaut()), "real", *(face(0.02 * n, 1, track=n) for n in range(1, 30)))
    )
    assert len(asked) == 4


def test_a_long_clip_reads_few_frames_for_its_pictures(tmp_path: Path) -> None:
    tracks = [TrackVerdict(number, 0.0, 1.0, 3, 0.5 + number / 200) for number in range(60)]
    faces = [face(0.5, 1, time_s=0.04 * (number % 25), track=number) for number in range(60)]
    shown = page(
        verdict(save_clip(tmp_path / "a.mp4", [astronaut()] * 26), "fake", *faces, tracks=tracks, duration_s=1.0)
    )
    assert len(shown.all("section")) == 12 and "48 more are left out" in shown.text
    assert len(shown.all("image")) <= 4


def test_nothing_is_loaded_from_elsewhere_and_pictures_are_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", astronaut())
    shown = page(verdict(path, "real", face(0.01, 1)))
    sources = [
        one.get("src") or one.get("href") for tag in ("img", "image", "link", "script") for one in shown.all(tag)
    ]
    assert len(sources) == 2
    for source in sources:
        assert source is not None and source.startswith("data:image/jpeg;base64,")
        assert base64.b64decode(source.split(",")[1])[:2] == b"\xff\xd8"
    assert not re.search(r"url\(|@import", " ".join(shown.words))


def test_every_picture_has_words_for_those_who_do_not_see_it(tmp_path: Path) -> None:
    shown = page(verdict(save(tmp_path / "a.png", astronaut()), "real", face(0.01, 1)))
    assert all(one.get("alt") for one in shown.all("img"))
    assert all(one.get("role") == "img" and one.get("aria-label") for one in shown.all("svg"))
    assert shown.all("html")[0]["lang"] == "en"
    assert all(one.get("scope") for one in shown.all("th"))


def test_names_cannot_bring_markup(tmp_path: Path) -> None:
    path = save(tmp_path / "<img src=x onerror=alert(1)>&.png", astronaut())
    shown = page(verdict(path, "real", face(0.01, 1)))
    assert all("onerror" not in one for one in shown.all("img"))
    assert path.name in shown.text


def test_failures_notes_and_no_face_are_told(tmp_path: Path) -> None:
    failed = verdict(
        tmp_path / "b.png", None, error=f"{tmp_path / 'b.png'}: is empty; copy it", error_code="damaged_media"
    )
    alone = verdict(save(tmp_path / "c.png", astronaut()), "no_face", notes=["the file is cut short"])
    gone = verdict(tmp_path / "gone.png", "real", face(0.01, 1))
    text = page(failed, alone, gone).text
    assert "is empty; copy it" in text and "1 ✕ failed" in text
    assert "The file is cut short." in text and "No face was found" in text
    assert "No picture: " in text and "gone.png: no such file" in text


def test_versions_and_limits_of_the_verdict_are_named(tmp_path: Path) -> None:
    text = page(verdict(tmp_path / "a.png", "no_face")).text
    assert POLICY.version in text and POLICY.model_version in text
    assert "2 of 300 fakes" in text and "2.1 %" in text and "not proof" in text


def test_many_files_are_listed_without_pictures(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", astronaut()[::4, ::4])
    shown = page(*[verdict(path, "no_face")] * (MAX_PICTURED + 3))
    assert len(shown.all("article")) == MAX_PICTURED + 3
    assert len(shown.all("image")) == MAX_PICTURED


def test_sixty_faces_have_sixty_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", astronaut())
    shown = page(verdict(path, "fake", *[face(0.5 + number / 130, 1, track=number) for number in range(60)]))
    assert len(shown.all("tr")) == 61


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "under 0.1 %"), (0.0123, "1.2 %"), (0.5, "50 %"), (0.987, "98.7 %"), (1.0, "over 99.9 %")],
)
def test_percentages_never_claim_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_whole(target, "new")
    assert target.read_text() == "new" and [path.name for path in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "folder").mkdir()
    for impossible in (tmp_path / "absent" / "a.html", target / "a.html", tmp_path / "folder"):
        with pytest.raises(ReportError, match="cannot write"):
            write_whole(impossible, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "report.html"]
