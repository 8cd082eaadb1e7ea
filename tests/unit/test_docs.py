"""Documentation: links resolve, commands parse, snippets compile.

Every option and every setting is documented.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from feature_repo.datasets.custom import config_schema
from feature_repo.datasets.description import read_config
from feature_repo.events.event import parse_event
from orchestration.cli import app
from serving.experiments.read import exploration_of, read_experiments
from serving.gate.policy_file import SHIPPED, read_policy
from serving.http.bodies import ManyUsers

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:tmp|home|work|root|opt|mnt|Users)/")
SETTING = re.compile(r"GATEHOUSE_[A-Z_]+")
CLI = typer.main.get_command(app)
EXPERIMENTS = ROOT / "docs" / "guide" / "experiments.md"
"""The page whose YAML is an experiments.yaml."""
GATE = ROOT / "docs" / "concepts" / "gate.md"
"""The page whose YAML takes the place of parts of the gate's policy; that of other pages is a gatehouse.yaml."""


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text(encoding="utf-8")) if found == language]


def lines_of(page: Path) -> Iterator[str]:
    """Yield the lines of fenced commands, with continued lines joined."""
    for block in blocks(page, ""):
        yield from block.replace("\\\n", " ").splitlines()


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_a_landing_page() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(prose):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_parse(page: Path) -> None:
    for line in lines_of(page):
        program, *arguments = shlex.split(line, comments=True) or [""]
        if Path(program).name != "gatehouse":
            continue
        command = CLI.commands[arguments.pop(0)]  # type: ignore[attr-defined]
        if commands := getattr(command, "commands", None):
            command = commands[arguments.pop(0)]
        command.make_context(command.name, arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_bodies_of_requests_can_be_used(page: Path) -> None:
    for line in lines_of(page):
        words = shlex.split(line, comments=True)
        if "curl" not in words or "--json" not in words:
            continue
        body = json.loads(words[words.index("--json") + 1])
        if any(word.endswith("/v1/events") for word in words):
            for event in body if isinstance(body, list) else [body]:
                parse_event(event, datetime(2024, 1, 1))
        elif any(word.endswith("/v1/recommendations") for word in words):
            ManyUsers.model_validate(body)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_benchmarks_that_are_named_exist(page: Path) -> None:
    for module in re.findall(r"python -m (tests\.[\w.]*\w)", page.read_text(encoding="utf-8")):
        assert importlib.util.find_spec(module), module


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_compiles(page: Path) -> None:
    for snippet in blocks(page, "python"):
        compile(snippet, name_of(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_path_of_a_machine(page: Path) -> None:
    assert not MACHINE_PATH.findall(page.read_text(encoding="utf-8"))


def test_the_recipes_of_the_guide_can_be_made() -> None:
    for snippet in blocks(ROOT / "docs" / "guide" / "recipes.md", "python"):
        exec(snippet, {})


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "yaml") and page not in (EXPERIMENTS, GATE)], ids=name_of
)
def test_yaml_of_a_dataset_is_accepted(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "yaml"):
        assert "events" in yaml.safe_load(block)
        path = tmp_path / "gatehouse.yaml"
        path.write_text(block, encoding="utf-8")
        config_schema(read_config(path))


def test_yaml_of_a_policy_is_accepted(tmp_path: Path) -> None:
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    assert blocks(GATE, "yaml")
    for block in blocks(GATE, "yaml"):
        path = tmp_path / "policy.yaml"
        path.write_text(yaml.safe_dump(shipped | yaml.safe_load(block)), encoding="utf-8")
        assert read_policy(path) != read_policy(SHIPPED)


def test_yaml_of_experiments_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yaml"
    path.write_text("\n".join(blocks(EXPERIMENTS, "yaml")), encoding="utf-8")
    assert len(read_experiments(path)) == 2
    assert exploration_of(path, "shop")


def commands() -> Iterator[tuple[str, Any]]:
    """Yield all commands; the name of a grouped one begins with that of its group."""
    for name, command in CLI.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from [(f"{name} {each}", inner[each]) for each in inner] if inner else [(name, command)]


def test_every_command_and_option_is_documented() -> None:
    told = (ROOT / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    for name, command in commands():
        section = re.split(r"^## ", told.partition(f"\n## {name}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        assert section, f"docs/reference/cli.md has no section {name}"
        missing = [option for each in command.params for option in each.opts if f"`{option}" not in section]
        missing = [option for option in missing if option.startswith("-")]
        assert not missing, f"docs/reference/cli.md, {name}: {', '.join(missing)}"


def test_every_setting_is_documented() -> None:
    told = set(SETTING.findall((ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")))
    packages = [ROOT / name for name in ("feature_repo", "training", "serving", "orchestration")]
    read = {name for root in packages for path in root.rglob("*.py") for name in SETTING.findall(path.read_text())}
    assert read <= told, f"docs/reference/settings.md lacks {', '.join(sorted(read - told))}"
