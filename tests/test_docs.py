"""README and docs: links lead somewhere, commands parse, code runs, names are the vocabulary's."""

import pkgutil
import re
import shlex
from pathlib import Path

import pytest

from compare.cli.main import COMMANDS, make_parser
from theory.vocabulary.table import updated

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
PAGES = [README, REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def code_of(page, language):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.S | re.M)
    return [code for name, code in blocks if name == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    found = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in found if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_ones_that_the_parser_takes(page):
    text = page.read_text()
    lines = [line for block in code_of(page, "") for line in block.splitlines()]
    commands = [line.partition("#")[0] for line in lines if "sawtooth " in line.partition("#")[0]]
    commands += [
        f"sawtooth {inline}" for inline in re.findall(r"`sawtooth ((?:run|train) -?[^`…]+)`", text)
    ]
    for command in commands:
        words = shlex.split(command.partition("sawtooth ")[2])
        assert make_parser().parse_args(words).execute is not None, command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_studies_that_are_named_exist(page):
    named = set(re.findall(r"studies/([a-z0-9-]+\.toml)", page.read_text()))
    assert named <= {path.name for path in (REPOSITORY / "studies").glob("*.toml")}


def test_readme_is_one_page():
    assert len(README.read_text().splitlines()) <= 120


def test_theory_names_code_and_tests_that_exist():
    page = (REPOSITORY / "docs" / "theory.md").read_text()
    written = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    tests = set(re.findall(r"`(test_\w+)`", page))
    assert tests <= set(re.findall(r"^def (test_\w+)", written, re.M))
    for name in re.findall(r"`((?:theory|compare)\.[\w.]+)`", page):
        pkgutil.resolve_name(name)
    paths = re.findall(r"`((?:theory|compare|tests)/[\w/.]+)`", page)
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_every_law_has_its_code_and_its_test():
    page = (REPOSITORY / "docs" / "theory.md").read_text()
    stated = re.findall(r"^\| (\d+) \| (?!`)", page, re.M)
    checked = re.findall(r"^\| (\d+) \| `theory\.laws\..*`test_\w+` \|$", page, re.M)
    assert stated == checked == [str(number) for number in range(1, 12)]


def test_every_command_is_in_the_docs():
    page = (REPOSITORY / "docs" / "data.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", page.partition("## The command")[2], re.M)
    assert set(listed) == {command.__name__.rpartition(".")[2] for command in COMMANDS}


def test_the_vocabulary_in_the_docs_is_the_present_one():
    page = (REPOSITORY / "docs" / "data.md").read_text()
    assert "`predicted_" in page and "| `period` | T | steps | mean period |" in page
    assert page == updated(page)


@pytest.mark.slow
def test_code_of_readme_runs(tmp_path, monkeypatch):
    """The first two uses as they stand, with fewer steps; the third is the example of a monitor."""
    for folder in ("results", "studies"):
        (tmp_path / folder).symlink_to(REPOSITORY / folder)
    monkeypatch.chdir(tmp_path)
    predict, study, _ = code_of(README, "python")
    study = study.replace('"results/small", seeds=4', '"small", seeds=1, steps=60')
    names = {}
    exec(predict + study, names)
    assert names["study"]["comparison"]["period"].attrs["units"] == "steps"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES[2:], ids=lambda page: page.name)
def test_code_of_the_docs_runs(page, tmp_path, monkeypatch):
    (tmp_path / "results").symlink_to(REPOSITORY / "results")
    monkeypatch.chdir(tmp_path)
    for code in code_of(page, "python"):
        exec(code, {})
