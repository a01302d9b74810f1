"""A night's lineage, read back from the ledger and drawn."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from include.core.errors import DeclarationError
from include.core.events import LineageEmitted
from include.lineage import datasets, emission, walk
from include.lineage.drawing import lines_of, svg_of
from include.lineage.graph import Graph, graph_of
from include.runtime.upkeep.lineage import graph
from tests.night.yard import FLIGHTS, NOW, Night, Yard

NAME = FLIGHTS.name
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn(done: tuple[Yard, Night]) -> Graph:
    yard, night = done
    return graph(yard.settings, NAME, run=night.run.run_id)


def events_of(yard: Yard) -> list[str]:
    return [event.event for event in yard.events(LineageEmitted) if isinstance(event, LineageEmitted)]


def test_the_graph_of_a_night_holds_every_step_and_every_data_set_of_it(done: tuple[Yard, Night], drawn: Graph) -> None:
    _, night = done
    assert sorted(step.name for step in drawn.steps) == sorted(
        ["snapshot", "validate", "features", "plan", "train-0", "train-1", "refit", "evaluate", "promote"]
    )
    rooms = {name.split("/")[0] for name, _ in drawn.datasets}
    assert rooms == {
        "production", "snapshot", "validation", "features", "training", "trials", "model", "evaluation", "registry",
    }  # fmt: skip
    (validate,) = [step for step in drawn.steps if step.name == "validate"]
    assert re.fullmatch(r"\d+ checks, 0 failed", validate.details[0])
    assert f"registry/{NAME}/{night.promotion.version}@{night.promotion.bundle[7:15]}" in lines_of(drawn)[-1]


def test_the_picture_is_well_formed_has_every_node_and_calls_no_other_host(drawn: Graph) -> None:
    text = svg_of(drawn)
    root = ElementTree.fromstring(text)  # noqa: S314  # our own
    shown = [each.text or "" for each in root.iter(f"{SVG}title")]
    for name, version in drawn.datasets:
        assert any(title.startswith(f"{name}\n{version}") for title in shown), name
    assert len(root.findall(f"{SVG}g")) == len(drawn.datasets) + len(drawn.steps)
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(href|src|url\(|@import)", text)
    assert svg_of(drawn) == text


def test_a_name_that_looks_like_markup_is_shown_as_it_is(drawn: Graph) -> None:
    key = next(iter(drawn.datasets))
    hostile = replace(drawn.datasets[key], columns=('<script>alert("x")</script>',))
    text = svg_of(replace(drawn, run='</text><a href="x">', datasets=dict(drawn.datasets) | {key: hostile}))
    root = ElementTree.fromstring(text)  # noqa: S314  # our own
    assert not list(root.iter(f"{SVG}script"))
    assert not list(root.iter(f"{SVG}a"))


@pytest.mark.browser
def test_no_boxes_overlap_and_no_word_leaves_its_box_in_a_browser(drawn: Graph, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="requirements-dev.txt is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium (Debian: apt-get install chromium)")
    file = tmp_path / "lineage.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{svg_of(drawn)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        inks = set()
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
            page.goto(file.as_uri())
            outside = page.evaluate(
                """() => [...document.querySelectorAll("svg g")].filter(g => {
                    const box = g.querySelector("rect").getBoundingClientRect();
                    return [...g.querySelectorAll("text")].some(text => {
                        const word = text.getBoundingClientRect();
                        return word.left < box.left || word.right > box.right
                            || word.top < box.top || word.bottom > box.bottom;
                    });
                }).map(g => g.textContent)"""
            )
            assert outside == []
            overlapping = page.evaluate(
                """() => { const boxes = [...document.querySelectorAll("svg g")].map(g =>
                        g.querySelector("rect").getBoundingClientRect());
                    return boxes.some((a, i) => boxes.slice(i + 1).some(b =>
                        a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)); }"""
            )
            assert not overlapping
            inks.add(page.evaluate("""() => getComputedStyle(document.querySelector("svg .title")).fill"""))
        browser.close()
    assert len(inks) == 2


def test_a_watch_is_drawn_with_the_night_of_its_model_and_a_retraining_with_the_watch(
    done: tuple[Yard, Night],
) -> None:
    yard, night = done
    watch = replace(night.run, run_id="watch")
    retraining = replace(night.run, run_id="retraining")
    champion = walk.champion(NAME, night.promotion.version, night.promotion.bundle)
    verdict = walk.verdict(NAME, "sha256:v")
    made = datasets.Dataset(name=f"registry/{NAME}/9", version="sha256:9")
    later = [
        emission.event(run=watch, project=FLIGHTS, step="verdict", at=NOW, inputs=champion, outputs=verdict),
        emission.event(run=retraining, project=FLIGHTS, step="promote", at=NOW, inputs=verdict, outputs=[made]),
    ]
    for run in ("watch", "retraining"):
        found = graph_of([*events_of(yard), *later], project=NAME, run=run)
        assert {step.run for step in found.steps} >= {"watch", night.run.run_id}
        assert any(name.startswith("production/") for name, _ in found.datasets)


def test_many_shards_are_drawn_as_one_step(done: tuple[Yard, Night]) -> None:
    _, night = done
    run = replace(night.run, run_id="wide")
    took = walk.verdict(NAME, "sha256:v")
    shards = [walk.trials(NAME, shard, f"sha256:{shard}") for shard in range(30)]
    events = [
        emission.event(run=run, project=FLIGHTS, step=f"train-{shard}", at=NOW, inputs=took, outputs=trials)
        for shard, trials in enumerate(shards)
    ]
    every = [dataset for trials in shards for dataset in trials]
    model = datasets.Dataset(name=f"model/{NAME}", version="sha256:m")
    events.append(emission.event(run=run, project=FLIGHTS, step="evaluate", at=NOW, inputs=every, outputs=[model]))
    found = graph_of(events, project=NAME)
    assert len(found.steps) == 31
    assert len(lines_of(found)) == 2
    assert "30 shards" in svg_of(found)


def test_a_run_without_lineage_is_named_with_those_that_have_some(done: tuple[Yard, Night]) -> None:
    yard, night = done
    with pytest.raises(DeclarationError, match=f"no event of run 'nowhere'.*{night.run.run_id}"):
        graph(yard.settings, NAME, run="nowhere")
    with pytest.raises(DeclarationError, match="no event at all"):
        graph(yard.settings, "unheard_of")
